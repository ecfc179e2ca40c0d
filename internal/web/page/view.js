// One camera: its picture as large as it gets, and beside it what it does, how it is set and how others connect to it.

import { snapshotAddress } from "./api.js";
import { Controls } from "./controls.js";
import { button, h, icon, text } from "./dom.js";
import { Figures } from "./figures.js";
import { baud, count, duration, number, stamp } from "./format.js";
import { Lens } from "./lens.js";
import { live } from "./live.js";
import { Screen } from "./screen.js";
import { Snippets } from "./snippets.js";
import { healthOf, nameOf } from "./state.js";

/** @typedef {import("./api.js").Camera} Camera */
/** @typedef {{element: HTMLElement, update: (camera: Camera) => void, close: () => void}} Tab */

/** @type {Record<string, {name: string, make: (id: string) => Tab}>} */
const tabs = {
  figures: { name: "Live", make: (id) => new Figures(id) },
  settings: { name: "Settings", make: (id) => new Controls(id) },
  connect: { name: "Connect", make: (id) => new Snippets(id) },
};

export class View {
  /** @type {Tab | null} */
  #tab = null;
  #open = "";
  #off;
  #keys;

  /**
   * @param {string} id
   * @param {string | undefined} tab
   */
  constructor(id, tab) {
    this.id = id;
    const here = `#/cam/${encodeURIComponent(id)}`;
    this.screen = new Screen(id);
    this.stage = h("div", { class: "stage" }, this.screen.element);
    this.lens = new Lens(id, this.stage, this.screen.glass);
    this.percent = h("span", { class: "percent" }, "100 %");
    this.lens.onchange = () => text(this.percent, `${Math.round(this.lens.zoom * 100)} %`);
    this.snapshot = h("a", { class: "tool wide-tool", href: snapshotAddress(id), download: `${id}.jpg`, title: "Save this picture (S)", onclick: () => this.#name() }, icon("snapshot"), "Snapshot");
    this.health = h("p", { class: "health" });
    this.healthMore = h("a", { href: `${here}/settings` }, "Settings");
    this.facts = h("dl", { class: "facts" });
    this.help = this.#helpDialog();
    this.note = h("div", { class: "note", hidden: true });
    const bar = h("div", { class: "bar", role: "toolbar", "aria-label": "Picture" },
      this.snapshot,
      button("expand", "Full screen (F)", () => this.#expand()),
      button("rotate", "Turn (R)", () => this.lens.turn()),
      button("mirror", "Mirror (M)", () => this.lens.mirror()),
      h("span", { class: "bar-gap" }),
      button("minus", "Zoom out (-)", () => this.lens.scale(1 / 1.5)),
      this.percent,
      button("plus", "Zoom in (+)", () => this.lens.scale(1.5)),
      button("whole", "Whole picture (0)", () => this.lens.whole()),
      button("keys", "Keys (?)", () => this.help.showModal()));
    this.nav = h("nav", { class: "tabs", "aria-label": "About this camera" },
      ...Object.entries(tabs).map(([key, { name }]) => h("a", { href: key === "figures" ? here : `${here}/${key}`, "data-tab": key }, name)));
    this.content = h("div", { class: "content", tabindex: 0, role: "region" });
    this.panel = h("aside", { class: "panel", "aria-label": "Figures, settings and addresses" }, this.nav, this.content);
    this.about = h("div", { class: "about" }, h("div", { class: "health-line" }, this.health, this.healthMore), this.facts);
    this.element = h("section", { class: "view" }, h("div", { class: "view-main" }, this.stage, bar, this.about), this.panel, this.help, this.note);
    this.tools = [
      button("back", "Previous camera ([)", () => this.#go(-1)),
      button("next", "Next camera (])", () => this.#go(1)),
    ];
    const keys = (/** @type {KeyboardEvent} */ event) => this.#key(event);
    addEventListener("keydown", keys);
    this.#keys = () => removeEventListener("keydown", keys);
    this.#off = live.changed.on(() => this.update());
    this.open(tab);
    this.update();
  }

  name() {
    const camera = live.camera(this.id);
    return camera ? nameOf(camera) : this.id;
  }

  title() {
    const state = this.screen.state();
    const camera = live.camera(this.id);
    return state.level === "live" && camera ? `Live, ${camera.fps.toFixed(1)} fps` : state.word;
  }

  /** @param {string | undefined} tab */
  open(tab) {
    const wanted = tab && Object.hasOwn(tabs, tab) ? tab : "figures";
    if (wanted === this.#open) return;
    this.#tab?.close();
    this.#tab = null;
    this.#open = wanted;
    for (const link of this.nav.querySelectorAll("a")) {
      if (link.dataset.tab === wanted) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.content.setAttribute("aria-label", tabs[wanted].name);
    this.content.scrollTop = 0;
    this.update();
  }

  update() {
    const camera = live.camera(this.id);
    const unknown = live.connected && !camera;
    this.element.classList.toggle("unknown", unknown);
    if (unknown === this.note.hidden) this.#noCamera(unknown);
    if (!camera) return;
    this.screen.want(0);
    if (!this.#tab) {
      this.#tab = tabs[this.#open].make(this.id);
      this.content.replaceChildren(this.#tab.element);
    }
    const state = this.screen.state();
    const health = state.title ? { level: "bad", words: `${state.title}. ${state.advice}` } : healthOf(camera);
    this.health.dataset.level = health.level;
    text(this.health, health.words);
    this.healthMore.hidden = health.level === "good" || state.title !== "";
    this.#showFacts(camera);
    if (state.title) {
      this.snapshot.removeAttribute("href");
      this.snapshot.setAttribute("aria-disabled", "true");
    } else if (!this.snapshot.href) {
      this.snapshot.href = snapshotAddress(this.id);
      this.snapshot.removeAttribute("aria-disabled");
    }
    this.#tab?.update(camera);
  }

  /** @param {boolean} unknown */
  #noCamera(unknown) {
    this.note.hidden = !unknown;
    this.note.replaceChildren(h("h2", {}, `There is no camera ${this.id}`), h("p", {}, live.cameras.length > 0 ? "There are:" : "There is none at all."),
      h("ul", {}, ...live.cameras.map(({ id }) => h("li", {}, h("a", { href: `#/cam/${encodeURIComponent(id)}` }, id)))));
  }

  close() {
    this.#off();
    this.#keys();
    this.#tab?.close();
    this.screen.close();
  }

  /** @param {Camera} camera */
  #showFacts(camera) {
    const { device } = camera;
    const last = this.screen.last;
    const age = last && last.taken > 0 ? (last.sent - last.taken) / 1000 : null;
    /** @type {[string, string][]} */
    const facts = [
      ["Picture", camera.width ? `${camera.width} × ${camera.height}` : "–"],
      ["Shown here", live.way === "plain" ? "without WebSocket" : `${number(this.screen.fps, 1)} fps`],
      ["Age when sent", duration(age)],
      ["Link", camera.baud ? baud(camera.baud) : device?.transport ?? "–"],
      ["Port", camera.port],
      ["Board", [device?.board, device?.sensor].filter(Boolean).join(", ") || "–"],
      ["Firmware", device ? device.firmware + (device.test_card ? ", test card" : "") : "–"],
      ["MAC", device?.mac || "–"],
      ["Last start", device?.reset_reason || "–"],
    ];
    if (this.facts.childElementCount !== facts.length) {
      this.facts.replaceChildren(...facts.map(([name]) => h("div", {}, h("dt", {}, name), h("dd", {}))));
    }
    facts.forEach(([, value], i) => {
      const dd = this.facts.children[i].lastElementChild;
      if (dd) text(dd, value);
    });
    this.facts.title = this.screen.skipped > 0 ? `${count(this.screen.skipped, "picture")} skipped for this page` : "";
  }

  #name() {
    this.snapshot.download = `${this.id}_${stamp(new Date())}.jpg`;
  }

  #expand() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.stage.requestFullscreen) this.stage.requestFullscreen().catch(() => this.stage.classList.toggle("fills"));
    else this.stage.classList.toggle("fills"); // iPhones give it to videos only
  }

  /** @param {number} by */
  #go(by) {
    const ids = live.cameras.map((camera) => camera.id);
    if (ids.length < 2) return;
    const at = ids.indexOf(this.id);
    location.hash = `#/cam/${encodeURIComponent(ids[(at + by + ids.length) % ids.length])}${this.#open === "figures" ? "" : "/" + this.#open}`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey || this.help.open) return;
    if (at instanceof HTMLInputElement || at instanceof HTMLSelectElement || at instanceof HTMLTextAreaElement) return;
    const step = 60;
    const zoomed = this.lens.zoom > 1;
    /** @type {Record<string, () => void>} */
    const actions = {
      f: () => this.#expand(), r: () => this.lens.turn(), m: () => this.lens.mirror(), s: () => this.snapshot.click(),
      "+": () => this.lens.scale(1.5), "=": () => this.lens.scale(1.5), "-": () => this.lens.scale(1 / 1.5), 0: () => this.lens.whole(),
      "[": () => this.#go(-1), "]": () => this.#go(1), "?": () => this.help.showModal(),
      Escape: () => { if (this.stage.classList.contains("fills")) this.stage.classList.remove("fills"); else location.hash = "#/"; },
    };
    if (zoomed && at !== this.content) {
      Object.assign(actions, {
        ArrowLeft: () => this.lens.move(step, 0), ArrowRight: () => this.lens.move(-step, 0),
        ArrowUp: () => this.lens.move(0, step), ArrowDown: () => this.lens.move(0, -step),
      });
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  #helpDialog() {
    /** @type {[string, string][]} */
    const keys = [["S", "save the picture"], ["F", "full screen"], ["R", "turn"], ["M", "mirror"], ["+  −  0", "zoom in, out, whole picture"],
      ["Arrows", "move the zoomed picture"], ["[  ]", "previous, next camera"], ["Esc", "all cameras"]];
    const dialog = h("dialog", { class: "help", "aria-label": "Keys" }, h("h2", {}, "Keys"),
      h("dl", {}, ...keys.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))),
      h("p", {}, "Wheel, pinch or double click zoom; drag moves."),
      h("form", { method: "dialog" }, h("button", { class: "plain-button" }, "Close")));
    return dialog;
  }
}

