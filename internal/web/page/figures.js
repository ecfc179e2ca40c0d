// What the camera and its link do, as numbers and as lines over the last ten minutes.

import { readHistory } from "./api.js";
import { Chart, reaches, span } from "./charts.js";
import { h, text } from "./dom.js";
import { baud, duration, number, rate } from "./format.js";

/** @typedef {import("./api.js").Camera} Camera */

/**
 * @typedef {object} Figure
 * @property {string} key its column in the history
 * @property {string} name
 * @property {number} least the scale of its line shows at least up to this
 * @property {(camera: Camera) => number | null | undefined} now
 * @property {(value: number | null | undefined) => string} say
 * @property {(camera: Camera) => string} more
 */

/** @param {number | null | undefined} value */
const perCent = (value) => (value === null || value === undefined ? "–" : `${Math.round(value * 100)} %`);

/** @type {Figure[]} */
const figures = [
  { key: "fps", name: "Pictures", least: 5, now: (c) => c.fps, say: (v) => `${number(v, 1)} fps`, more: (c) => (c.link?.asked_fps ? `of ${number(c.link.asked_fps, 1)} asked` : "") },
  { key: "frame_age", name: "Age", least: 0.1, now: (c) => (c.fps > 0 ? c.frame_age_seconds : null), say: duration, more: () => "capture to gateway" },
  { key: "bytes_per_second", name: "Video", least: 10000, now: (c) => c.bytes_per_second, say: rate, more: (c) => (c.fps > 0 && c.bytes_per_second ? `${number(c.bytes_per_second / c.fps / 1000, 1)} kB a picture` : "") },
  { key: "link_use", name: "Link use", least: 1, now: (c) => c.link?.use, say: perCent, more: (c) => (c.baud ? `of ${baud(c.baud)}` : c.device?.transport ?? "") },
  { key: "quality", name: "Quality", least: 30, now: (c) => c.quality, say: number, more: (c) => (c.auto_quality ? `auto, ${c.auto_quality.quality_best} to ${c.auto_quality.quality_worst}` : "fixed, 0 is best") },
  { key: "viewers", name: "Viewers", least: 2, now: (c) => c.viewers, say: number, more: () => "this page too" },
  { key: "errors", name: "Errors", least: 2, now: () => null, say: (v) => (v === null || v === undefined ? "–" : `${v} /s`), more: (c) => errorsInWords(c) },
];

/** @param {Camera} camera */
function errorsInWords(camera) {
  const { errors } = camera;
  if (!errors) return "";
  const rejected = Object.values(camera.frames.rejected).reduce((a, b) => a + b, camera.frames.lost);
  const parts = [[errors.checksum + errors.resyncs + errors.lost, "on the wire"], [rejected, "pictures"]];
  return parts.filter(([n]) => Number(n) > 0).map(([n, what]) => `${n} ${what}`).join(", ") || "none so far";
}

/** @param {Camera} camera */
const errorsSoFar = ({ errors, frames }) => (errors ? errors.checksum + errors.resyncs + errors.lost : 0) + frames.lost + Object.values(frames.rejected).reduce((a, b) => a + b, 0);

export class Figures {
  /** @type {Map<string, {value: HTMLElement, more: HTMLElement, chart: Chart, data: (number | null)[], now: number | null}>} */
  #rows = new Map();
  /** @type {number | null} */
  #errors = null;
  #at = 0;
  /** @type {number | null} */
  #point = null;
  /** @type {Camera | null} */
  #camera = null;
  /** Samples since this was opened. */
  #added = 0;
  #closed = false;

  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.element = h("div", { class: "figures" });
    for (const figure of figures) {
      const value = h("span", { class: "figure-value" }, "–");
      const more = h("span", { class: "figure-more" });
      const chart = new Chart(figure.name, figure.least, (index) => this.#show(index));
      this.#rows.set(figure.key, { value, more, chart, data: new Array(span).fill(null), now: null });
      this.element.append(h("div", { class: "figure" }, h("div", { class: "figure-words" }, h("span", { class: "figure-name" }, figure.name), value, more), chart.element));
    }
    this.since = h("span", {});
    this.moment = h("p", { class: "moment" }, this.since, h("span", {}, "now"));
    this.error = h("p", { class: "last-error", hidden: true });
    this.element.append(this.moment, this.error);
    this.#load();
  }

  #again() {
    this.#added = 0;
    this.#errors = null;
    for (const row of this.#rows.values()) row.data = new Array(span).fill(null);
    this.#load();
  }

  async #load() {
    try {
      const history = await readHistory(this.id);
      if (this.#closed) return;
      for (const [key, row] of this.#rows) {
        const past = history.columns[key] ?? [];
        // What has come meanwhile is newer than the history.
        const fresh = row.data.slice(span - this.#added);
        row.data = [...new Array(span).fill(null), ...past, ...fresh].slice(-span);
      }
      this.#draw();
    } catch {
      // The lines begin now.
    }
  }

  /** #draw draws all lines, as far back as anything is known. */
  #draw() {
    let first = span;
    for (const { data } of this.#rows.values()) {
      const at = data.findIndex((value) => value !== null);
      if (at >= 0 && at < first) first = at;
    }
    const reach = reaches.find((seconds) => seconds >= span - first) ?? span;
    text(this.since, `${duration(reach)} ago`);
    for (const { chart, data } of this.#rows.values()) chart.set(data, reach);
  }

  /** @param {Camera} camera */
  update(camera) {
    this.#camera = camera;
    const errors = errorsSoFar(camera);
    const now = performance.now();
    const due = now - this.#at >= 900;
    // A tab that nobody saw was told little; the gateway knows what was meanwhile.
    if (this.#at > 0 && now - this.#at > 5000) this.#again();
    for (const figure of figures) {
      const row = this.#rows.get(figure.key);
      if (!row) continue;
      if (figure.key !== "errors") row.now = figure.now(camera) ?? null;
      else if (due) row.now = this.#errors === null ? null : Math.max(0, errors - this.#errors);
      if (due) {
        row.data = [...row.data.slice(1), row.now];
        row.chart.describe(`${figure.name}: ${figure.say(row.now)} now, and over the last ten minutes`);
      }
      text(row.more, figure.more(camera));
    }
    if (due) {
      this.#errors = errors;
      this.#at = now;
      this.#added = Math.min(span, this.#added + 1);
      this.#draw();
    }
    const trouble = camera.last_error;
    text(this.error, trouble ? `Last trouble, ${new Date(trouble.time * 1000).toLocaleTimeString()}: ${trouble.title}. ${trouble.detail}` : "");
    this.error.hidden = !trouble;
    this.#show(this.#point);
  }

  /**
   * #show writes the figures of a moment: of the sample under the pointer, or of now.
   * @param {number | null} index
   */
  #show(index) {
    this.#point = index;
    for (const figure of figures) {
      const row = this.#rows.get(figure.key);
      if (row) text(row.value, figure.say(index === null ? row.now : row.data[index]));
    }
    const now = this.moment?.lastElementChild;
    if (now) text(now, index === null ? "now" : `${duration(span - 1 - index)} ago`);
    this.element.classList.toggle("past", index !== null && this.#camera !== null);
  }

  close() {
    this.#closed = true;
    for (const row of this.#rows.values()) row.chart.close();
  }
}
