// One setting: what it is, what it may be, what it is now on the device, and why it could not be set.

import { button, h, text } from "./dom.js";
import { about, sizesWithin } from "./settings.js";

/** @typedef {import("./api.js").Setting} Setting */
/** @typedef {import("./api.js").Settings} Settings */

const settle = 120; // ms that a slider is still before its value is sent

let ids = 0;

export class Control {
  #timer = 0;
  #sending = false;
  #was = "";
  /** @type {string | number | null} what is to be sent when the answer to the last is there */
  #next = null;
  /** @type {string | number | undefined} */
  #first;

  /**
   * @param {string} name
   * @param {Setting} setting
   * @param {(value: string | number) => Promise<void>} set
   */
  constructor(name, setting, set) {
    this.name = name;
    this.set = set;
    this.about = about[name] ?? { name, group: "More" };
    this.range = setting;
    const id = `control-${++ids}`;
    this.value = h("output", { class: "control-value", for: id });
    this.undo = button("undo", `${this.about.name}: back to what it was`, () => this.#back(), { class: "tool undo", hidden: true });
    this.error = h("p", { class: "control-error", id: `${id}-error`, role: "alert", hidden: true });
    this.label = h("label", { for: id }, this.about.name, this.about.hint && h("small", {}, this.about.hint));
    this.field = setting.read_only ? h("span", {}) : this.#make(setting, id);
    this.field.id = id;
    this.field.setAttribute("aria-describedby", this.error.id);
    this.element = h("div", { class: "control", "data-name": name, "data-kind": this.field instanceof HTMLInputElement ? this.field.type : this.field.localName },
      this.label, this.undo, this.value, this.field, this.error);
    if (name === "quality") this.#automatic(id);
    if (setting.read_only) this.label.removeAttribute("for");
  }

  /** @param {Setting} setting @param {string} id @returns {HTMLInputElement | HTMLSelectElement} */
  #make(setting, id) {
    const { kind, choices = [], step = 1 } = this.about;
    const min = Number(setting.min), max = Number(setting.max);
    if (kind === "size") {
      return h("select", { onchange: () => this.#send(this.#select.value) },
        ...sizesWithin(String(setting.min), String(setting.max)).map(({ value, name }) => h("option", { value }, name)));
    }
    if (kind === "choice" && max - min < 30) {
      const values = Array.from({ length: max - min + 1 }, (_, i) => min + i);
      return h("select", { onchange: () => this.#send(Number(this.#select.value)) },
        ...values.map((value) => h("option", { value }, choices[value] ?? String(value))));
    }
    if (kind === "switch" || (!kind && min === 0 && max === 1)) {
      return h("input", { type: "checkbox", role: "switch", class: "switch", onchange: () => this.#send(this.#input.checked ? 1 : 0) });
    }
    if (!Number.isFinite(min) || !Number.isFinite(max)) {
      return h("input", { type: "text", onchange: () => this.#send(this.#input.value) });
    }
    if (kind === "number") {
      return h("input", { type: "number", inputmode: "numeric", min, max, onchange: () => this.#send(Math.round(Number(this.#input.value))) });
    }
    return h("input", {
      type: "range", min, max, step, "aria-label": this.about.name, list: max - min <= 8 ? `${id}-marks` : undefined,
      oninput: () => {
        this.#say(Number(this.#input.value));
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#send(Number(this.#input.value)), settle);
      },
    });
  }

  /**
   * Quality is the one setting that the device can also choose itself.
   * @param {string} id
   */
  #automatic(id) {
    this.auto = h("input", {
      type: "checkbox", role: "switch", class: "switch", id: `${id}-auto`,
      onchange: () => this.#send(this.auto?.checked ? "auto" : Number(this.range.value ?? 12)),
    });
    this.element.prepend(h("label", { class: "control-auto-label", for: `${id}-auto` }, "Automatic quality", h("small", {}, "holds the pictures per second below")), this.auto);
    this.element.classList.add("with-auto");
  }

  get #input() {
    return /** @type {HTMLInputElement} */ (this.field);
  }

  get #select() {
    return /** @type {HTMLSelectElement} */ (this.field);
  }

  /** busy: a value is on its way, so that what the device has is not what is wanted. */
  get busy() {
    return this.#sending || this.#timer !== 0;
  }

  /** @param {string | number} value */
  async #send(value) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#sending) {
      this.#next = value;
      return;
    }
    this.#sending = true;
    this.element.classList.add("sending");
    await this.set(value);
    this.#sending = false;
    this.element.classList.remove("sending");
    const next = this.#next;
    this.#next = null;
    if (next !== null && next !== value) this.#send(next);
  }

  #back() {
    if (this.#first !== undefined) this.#send(this.#first);
  }

  /**
   * show shows what is in effect.
   * @param {Settings} settings
   * @param {string | number | undefined} first what it was when the page was opened
   * @param {number | string | null | undefined} target of automatic quality; 0: it is fixed
   */
  show(settings, first, target) {
    const setting = settings[this.name];
    const { value } = setting;
    const auto = Number(target) > 0;
    this.range = setting;
    this.#first = first;
    if (this.auto) this.auto.checked = auto;
    const editing = this.busy || (this.field === document.activeElement && this.field instanceof HTMLInputElement && ["text", "number"].includes(this.field.type) && this.field.value !== this.#was);
    if (!editing) {
      if (this.field instanceof HTMLSelectElement) this.#choose(String(value), setting.name);
      else if (this.field instanceof HTMLInputElement && this.field.type === "checkbox") this.field.checked = Number(value) !== 0;
      else if (this.field instanceof HTMLInputElement) this.field.value = this.#was = String(value ?? "");
      this.#say(value);
    }
    const now = this.auto && auto ? "auto" : value;
    this.undo.hidden = first === undefined || setting.read_only || now === first;
    const needs = this.about.needs;
    const moot = needs !== undefined && settings[needs[0]]?.supported && Number(settings[needs[0]].value) !== needs[1]
      || ["target_fps", "quality_best", "quality_worst"].includes(this.name) && !auto || this.name === "quality" && auto;
    this.element.classList.toggle("moot", moot);
    if (!setting.read_only) this.#input.disabled = moot;
  }

  /** @param {string} value @param {string | undefined} name */
  #choose(value, name) {
    const select = this.#select;
    if (![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, name ?? value));
    select.value = value;
  }

  /** @param {number | string | null} value */
  #say(value) {
    const { choices, unit, kind } = this.about;
    if (kind === "size" || choices || (this.field instanceof HTMLInputElement && this.field.type === "checkbox")) {
      text(this.value, "");
      return;
    }
    text(this.value, value === null ? "–" : `${value}${unit ? " " + unit : ""}`);
    if (this.field instanceof HTMLInputElement && this.field.type === "range") {
      const { low, high } = this.about;
      const end = value === this.range.min ? low : value === this.range.max ? high : undefined;
      this.field.setAttribute("aria-valuetext", `${value}${unit ? " " + unit : ""}${end ? ", " + end : ""}`);
    }
  }

  /**
   * nearestSize is the largest that this camera has and that is no larger.
   * @param {string} size
   */
  nearestSize(size) {
    const area = (/** @type {string} */ s) => s.split("x").reduce((a, b) => a * Number(b), 1);
    const all = [...this.#select.options].map((option) => option.value);
    return all.includes(size) ? size : all.filter((s) => area(s) <= area(size)).sort((a, b) => area(b) - area(a))[0] ?? size;
  }

  /** @param {string} words why it could not be set; empty: it was */
  fault(words) {
    this.error.hidden = words === "";
    text(this.error, words);
    this.field.setAttribute("aria-invalid", String(words !== ""));
  }

  close() {
    clearTimeout(this.#timer);
  }
}
