// One camera's picture, live, by whichever way pictures come; and what is wrong, in its place, when there is none.

import { live } from "./live.js";
import { Player } from "./player.js";
import { stateOf } from "./state.js";
import { h, icon, text } from "./dom.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {import("./socket.js").Subscription} Subscription */

const fpsOver = 3000; // ms

export class Screen {
  /** @type {number | null} */
  #wanted = null;
  /** @type {Subscription | null} */
  #subscription = null;
  /** @type {{close: () => void} | null} */
  #plain = null;
  /** @type {number[]} */
  #times = [];
  #asked = 0;
  #refused = "";
  #timer = 0;
  #off;

  /** When the last picture was shown, by performance.now(); 0: none yet. */
  shownAt = 0;
  /** @type {Picture | null} without its pixels */
  last = null;
  skipped = 0;
  /**
   * Called after each picture.
   * @type {() => void}
   */
  onpicture = () => {};

  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.canvas = h("canvas", { role: "img", "aria-label": `Camera ${id}`, width: 4, height: 3 });
    this.image = h("img", { alt: `Camera ${id}`, decoding: "sync", hidden: true });
    this.glass = h("div", { class: "glass" }, this.canvas, this.image);
    this.word = h("strong", { class: "trouble-word" });
    this.title = h("span", { class: "trouble-title" });
    this.advice = h("span", { class: "trouble-advice" });
    this.detail = h("span", { class: "trouble-detail" });
    this.trouble = h("div", { class: "trouble", hidden: true }, icon("warning"), this.word, this.title, this.advice, this.detail);
    this.element = h("div", { class: "screen" }, this.glass, this.trouble);
    this.player = new Player(this.canvas, (picture) => this.#shown(picture));
    const offs = [live.rerouted.on(() => this.#route()), live.changed.on(() => this.refresh())];
    this.#off = () => offs.forEach((off) => off());
    this.#timer = setInterval(() => this.refresh(), 500);
    this.refresh();
  }

  /**
   * want asks for pictures: at most so many per second, 0 for all, null for none.
   * @param {number | null} fps
   */
  want(fps) {
    if (fps === this.#wanted) return;
    this.#wanted = fps;
    if (fps !== null && this.#subscription) this.#subscription.rate(fps);
    else this.#route();
  }

  close() {
    this.#off();
    clearInterval(this.#timer);
    this.#wanted = null;
    this.#route();
    this.player.clear();
  }

  /** fps is how many pictures were shown here per second, of late. */
  get fps() {
    const since = performance.now() - fpsOver;
    while (this.#times.length > 0 && this.#times[0] < since) this.#times.shift();
    const over = Math.min(fpsOver, Math.max(1000, performance.now() - this.#asked));
    return this.#times.length / (over / 1000);
  }

  #route() {
    const want = this.#wanted !== null && live.watched;
    if (want && live.way === "socket") {
      this.#plain?.close();
      this.#plain = null;
      if (!this.#subscription) {
        this.#asked = performance.now();
        this.#subscription = live.socket.subscribe(this.id, this.#wanted ?? 0, {
          picture: (picture, subscription) => {
            this.#refused = "";
            this.player.show(picture, (sequence) => subscription.ack(sequence));
          },
          ended: (reason, detail) => { this.#refused = detail || reason; },
        });
      }
    } else {
      this.#subscription?.close();
      this.#subscription = null;
    }
    if (want && live.way === "plain") {
      this.#plain ??= live.plain.show(this.id, this.image, () => this.#plainShown());
    } else {
      this.#plain?.close();
      this.#plain = null;
    }
    this.image.hidden = live.way !== "plain";
    this.canvas.hidden = live.way === "plain";
  }

  /** @param {Picture} picture */
  #shown(picture) {
    this.shownAt = performance.now();
    this.#times.push(this.shownAt);
    if (this.#times.length > 1000) this.#times.shift();
    this.skipped += picture.skipped;
    this.last = { ...picture, jpeg: new Blob() };
    if (this.element.dataset.level !== "live") this.refresh();
    this.onpicture();
  }

  #plainShown() {
    this.shownAt = performance.now();
    this.onpicture();
  }

  /**
   * state is the camera's, unless what this page sees is worse.
   * @returns {State}
   */
  state() {
    const camera = live.camera(this.id);
    const state = stateOf(camera);
    if (state.level === "down" || state.level === "wait" || !camera || this.#wanted === null) return state;
    if (this.#refused) {
      return { level: "down", word: "No picture", title: "The gateway gives no pictures", advice: "It is asked again every few seconds.", detail: this.#refused };
    }
    if (live.way === "plain") return state;
    const age = performance.now() - Math.max(this.shownAt, this.#asked);
    if (this.shownAt < this.#asked) {
      return age < 3000 ? { ...state, level: "rest", word: "Starting" } : this.#late(state);
    }
    const interval = camera.fps > 0 ? 1000 / camera.fps : 1000;
    if (age > Math.max(3000, 3 * interval)) return this.#late(state);
    return { ...state, level: "live", word: "Live" };
  }

  /** @param {State} state @returns {State} */
  #late(state) {
    return {
      ...state, level: "wait", word: "Waiting", title: "No picture arrives here",
      advice: "The camera is up. If this lasts, the network between this browser and the gateway is too slow.",
    };
  }

  /** refresh shows the state as it is now. */
  refresh() {
    const state = this.state();
    const troubled = state.title !== "";
    this.element.dataset.level = state.level;
    this.element.classList.toggle("troubled", troubled);
    this.element.classList.toggle("blank", this.shownAt === 0);
    this.trouble.hidden = !troubled;
    if (!troubled) return;
    text(this.word, state.word);
    text(this.title, state.title);
    text(this.advice, state.advice);
    text(this.detail, state.detail);
  }
}
