// The settings of a camera, made of what it says it has. What is set goes to the device at once, and what is shown is
// what the device answered.

import { readSettings, Refusal, writeSettings } from "./api.js";
import { Control } from "./control.js";
import { h, text } from "./dom.js";
import { live } from "./live.js";
import { prefs, save } from "./prefs.js";
import { who } from "./session.js";
import { about, groups, presets } from "./settings.js";

/** @typedef {import("./api.js").Camera} Camera */
/** @typedef {import("./api.js").Settings} Settings */
/** @typedef {import("./settings.js").Preset} Preset */

const readEvery = 10000; // ms; others may set things too

/**
 * How each camera was set when this page first saw it, for going back.
 * @type {Map<string, Preset>}
 */
const firstSeen = new Map();

/**
 * writable are the values that could be set again as they are.
 * @param {Settings} settings
 * @returns {Preset}
 */
function writable(settings) {
  /** @type {Preset} */
  const values = {};
  for (const [name, { supported, read_only, value, auto }] of Object.entries(settings)) {
    if (supported && !read_only && value !== null) values[name] = auto ? "auto" : value;
  }
  if (Number(values.target_fps) > 0) values.quality = "auto";
  else delete values.target_fps; // 0 is what fixed quality sets by itself
  return values;
}

export class Controls {
  /** @type {Settings} */
  #settings = {};
  /** @type {Map<string, Control>} */
  #controls = new Map();
  #shape = "";
  #boot = "";
  #away = false;
  #timer;
  #soon = 0;
  #closed = false;
  #off;

  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.status = h("p", { class: "settings-status", role: "status" });
    this.presets = h("div", { class: "presets", role: "group", "aria-label": "Presets" });
    this.revert = h("button", { type: "button", class: "plain-button", disabled: true, onclick: () => this.#revert() }, "Revert all");
    this.keep = h("button", { type: "button", class: "plain-button", title: "Write the settings to the camera's flash: they then survive its power", onclick: () => this.#keep() }, "Keep in the camera");
    this.form = h("form", { class: "settings", onsubmit: (/** @type {Event} */ event) => event.preventDefault() });
    this.actions = h("div", { class: "settings-actions" }, this.revert, this.keep);
    this.locked = h("p", { class: "settings-locked" }, "You may watch this camera. Its settings are for operators.");
    this.element = h("div", { class: "controls" }, this.locked, this.presets, this.actions, this.status, this.form);
    this.#showPresets();
    this.#off = who.changed.on(() => this.#lock());
    this.#lock();
    this.#timer = setInterval(() => this.read(), readEvery);
    this.read();
  }

  /** @param {Camera} camera */
  update(camera) {
    const away = camera.state === "offline" || camera.state === "connecting" || !live.connected;
    const boot = camera.device?.boot_id ?? "";
    if (away && !this.#away || this.#away && !away || this.#boot !== "" && boot !== this.#boot) this.read();
    if (away) this.#away = true;
    this.#boot = boot;
    this.#lock();
  }

  /** #lock keeps from changing settings who may not, and everybody while the camera is away. */
  #lock() {
    this.locked.hidden = !who.watches;
    this.presets.hidden = this.actions.hidden = who.watches;
    for (const fieldset of this.form.querySelectorAll("fieldset")) fieldset.disabled = this.#away || who.watches;
  }

  close() {
    this.#closed = true;
    this.#off();
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    for (const control of this.#controls.values()) control.close();
  }

  async read() {
    const camera = live.camera(this.id);
    if (camera && (camera.state === "offline" || camera.state === "connecting") || !live.connected && live.known) {
      this.#say("The camera is away. Its settings can be changed when it is back.");
      return;
    }
    try {
      const settings = await readSettings(this.id);
      if (this.#closed) return;
      if (this.status.dataset.level === "bad" || this.#away) this.#say("");
      this.#away = false;
      this.#take(settings);
      this.#lock();
    } catch (error) {
      if (!this.#closed) this.#say(error instanceof Refusal && error.status === 503 ? `The settings can be read when the camera is back: ${error.message}` : `The settings cannot be read: ${message(error)}`, "bad");
    }
  }

  #readSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.read(), 250);
  }

  /** @param {Settings} settings all or some */
  #take(settings) {
    this.#settings = { ...this.#settings, ...settings };
    if (!firstSeen.has(this.id)) firstSeen.set(this.id, writable(this.#settings));
    const shape = Object.entries(this.#settings).map(([name, s]) => `${name} ${s.supported} ${s.read_only} ${s.min} ${s.max}`).join();
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#build();
    }
    const first = firstSeen.get(this.id) ?? {};
    const now = writable(this.#settings);
    for (const control of this.#controls.values()) control.show(this.#settings, first[control.name], this.#settings.target_fps?.value);
    this.revert.disabled = !Object.keys(first).some((name) => differs(first, now, name));
  }

  #build() {
    for (const control of this.#controls.values()) control.close();
    this.#controls.clear();
    /** @type {Map<string, HTMLElement[]>} */
    const sections = new Map([...groups, "More"].map((group) => [group, []]));
    const known = Object.keys(about);
    const order = (/** @type {string} */ name) => (known.includes(name) ? known.indexOf(name) : known.length);
    for (const name of Object.keys(this.#settings).sort((a, b) => order(a) - order(b))) {
      const setting = this.#settings[name];
      if (!setting.supported) continue;
      const control = new Control(name, setting, (value) => this.#set(name, value));
      this.#controls.set(name, control);
      sections.get(about[name]?.group ?? "More")?.push(control.element);
    }
    this.form.replaceChildren();
    for (const [group, elements] of sections) {
      if (elements.length > 0) this.form.append(h("fieldset", {}, h("legend", {}, group), ...elements));
    }
    const absent = Object.keys(this.#settings).filter((name) => !this.#settings[name].supported).map((name) => about[name]?.name ?? name);
    if (absent.length > 0) this.form.append(h("p", { class: "absent" }, `This camera does not have: ${absent.join(", ")}.`));
  }

  /** @param {string} name @param {string | number} value */
  async #set(name, value) {
    try {
      const target = firstSeen.get(this.id)?.target_fps;
      /** @type {Preset} */
      const also = name === "quality" && value === "auto" && target !== undefined ? { target_fps: target } : {};
      const set = await writeSettings(this.id, { [name]: value, ...also }, {});
      if (this.#closed) return;
      this.#controls.get(name)?.fault("");
      this.#take(set);
      this.#readSoon(); // one setting may move another
    } catch (error) {
      if (this.#closed) return;
      const mistake = error instanceof Refusal ? error.mistakes.find((m) => m.name === name) : undefined;
      this.#take({});
      this.#controls.get(name)?.fault(mistake?.detail ?? message(error));
    }
  }

  /**
   * #setMany sets several at once; what is out of range becomes the nearest.
   * @param {Preset} values
   * @param {string} done
   * @param {boolean} [persist]
   */
  async #setMany(values, done, persist = false) {
    /** @type {Preset} */
    const possible = {};
    for (const [name, value] of Object.entries(values)) {
      const setting = this.#settings[name];
      if (setting?.supported && !setting.read_only) possible[name] = name === "size" ? this.#sizeUpTo(String(value)) : value;
    }
    if (Object.keys(possible).length === 0) {
      this.#say("This camera has none of these settings.", "bad");
      return;
    }
    this.#say("Setting …");
    try {
      const set = await writeSettings(this.id, possible, { clamp: true, persist });
      if (this.#closed) return;
      for (const control of this.#controls.values()) control.fault("");
      this.#take(set);
      const clamped = Object.keys(set).filter((name) => set[name].clamped).map((name) => about[name]?.name ?? name);
      this.#say(done + (clamped.length > 0 ? ` As near as the camera can: ${clamped.join(", ")}.` : ""), "good");
      this.read();
    } catch (error) {
      if (this.#closed) return;
      this.#say(message(error), "bad");
      if (error instanceof Refusal) for (const { name, detail } of error.mistakes) this.#controls.get(name)?.fault(detail);
    }
  }

  /** @param {string} size */
  #sizeUpTo(size) {
    return this.#controls.get("size")?.nearestSize(size) ?? size;
  }

  #revert() {
    const first = firstSeen.get(this.id) ?? {};
    const now = writable(this.#settings);
    const changed = Object.fromEntries(Object.entries(first).filter(([name]) => differs(first, now, name)));
    if ("quality" in changed && changed.quality === "auto") changed.target_fps = first.target_fps;
    this.#setMany(changed, "All is as it was when this page was opened.");
  }

  #keep() {
    this.#setMany(writable(this.#settings), "The camera keeps these settings without power.", true);
  }

  #showPresets() {
    const chip = (/** @type {string} */ name, /** @type {string} */ hint, /** @type {Preset} */ set) => h("button", {
      type: "button", class: "chip", title: hint, onclick: () => this.#setMany(set, `${name}: set.`),
    }, name);
    const forget = (/** @type {string} */ name) => {
      delete prefs.presets[name];
      save();
      this.#showPresets();
    };
    /** @type {HTMLButtonElement} */
    const add = h("button", { type: "button", class: "chip chip-add", title: "Keep the present settings as a preset in this browser", onclick: () => this.#askName(add) }, "+ Save");
    this.presets.replaceChildren(
      ...presets.map(({ name, hint, set }) => chip(name, hint, set)),
      ...Object.entries(prefs.presets).map(([name, set]) => h("span", { class: "chip-own" }, chip(name, "yours", set),
        h("button", { type: "button", class: "chip chip-forget", "aria-label": `Forget the preset ${name}`, onclick: () => forget(name) }, "×"))),
      add);
  }

  /** @param {HTMLElement} add the button that this stands in for */
  #askName(add) {
    const input = h("input", {
      class: "preset-name", "aria-label": "Name of the preset", placeholder: "Name, then Enter", maxlength: 24, enterkeyhint: "done",
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Escape") this.#showPresets();
        if (event.key !== "Enter") return;
        const name = input.value.trim();
        if (name !== "") {
          prefs.presets[name] = writable(this.#settings);
          save();
          this.#say(`${name}: kept in this browser.`, "good");
        }
        this.#showPresets();
      },
    });
    add.replaceWith(input);
    input.focus();
  }

  /** @param {string} words @param {"" | "good" | "bad"} [level] */
  #say(words, level = "") {
    this.status.dataset.level = level;
    text(this.status, words);
  }
}

/** @param {Preset} first @param {Preset} now @param {string} name */
function differs(first, now, name) {
  // While quality is automatic its number moves by itself.
  return first[name] !== now[name];
}

/** @param {unknown} error */
function message(error) {
  return error instanceof Refusal ? error.message : "the gateway does not answer";
}
