// A line over the last ten minutes. Drawn with uPlot, which is fetched when the first is made.

import { colour, recoloured } from "./colours.js";
import { h } from "./dom.js";

export const span = 600; // seconds, a sample each

/** How far back a line may go, in seconds. */
export const reaches = [60, 120, 300, span];

/** Seconds ago, the newest last. */
const ago = Array.from({ length: span }, (_, i) => i - span + 1);

/** @type {Promise<void> | null} */
let loading = null;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "assets/uPlot.js" });
    script.onload = () => resolve();
    script.onerror = () => { loading = null; reject(new Error("uPlot is missing")); };
    document.head.append(script);
  });
  return loading;
}

export class Chart {
  /** @type {import("../types/uPlot.js") | null} */
  #plot = null;
  /** @type {(number | null)[]} */
  #data = new Array(span).fill(null);
  #reach = reaches[0];
  #closed = false;
  #off;
  #resizer;

  /**
   * @param {string} label
   * @param {number} least the scale shows at least up to this
   * @param {(index: number | null) => void} onpoint the pointer is at a sample, or gone
   */
  constructor(label, least, onpoint) {
    this.label = label;
    this.least = least;
    this.onpoint = onpoint;
    this.element = h("div", { class: "chart", role: "img", "aria-label": `${label}, the last ten minutes` });
    this.#resizer = new ResizeObserver(() => this.#size());
    this.#resizer.observe(this.element);
    this.#off = recoloured.on(() => this.#make());
    this.#make();
  }

  /**
   * @param {(number | null)[]} data of the length span
   * @param {number} reach one of reaches
   */
  set(data, reach) {
    this.#data = data;
    this.#reach = reach;
    this.#plot?.setData(this.#all(), true);
  }

  /** @param {string} words what the line shows, for those who do not see it */
  describe(words) {
    this.element.setAttribute("aria-label", words);
  }

  close() {
    this.#closed = true;
    this.#off();
    this.#resizer.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  /** @returns {any} */
  #all() {
    return [ago, this.#data];
  }

  #size() {
    if (this.element.clientWidth > 0) this.#plot?.setSize({ width: this.element.clientWidth, height: this.element.clientHeight });
  }

  async #make() {
    try {
      await load();
    } catch {
      return; // The figures beside it still tell.
    }
    if (this.#closed || !window.uPlot) return;
    this.#plot?.destroy();
    const line = colour("--accent");
    this.#plot = new window.uPlot({
      width: Math.max(40, this.element.clientWidth), height: Math.max(20, this.element.clientHeight),
      padding: [4, 2, 3, 2],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "camgw" }, points: { size: 6, fill: line } },
      scales: { x: { time: false, range: () => [1 - this.#reach, 0] }, y: { range: (_, __, max) => [0, Math.max(this.least, (max ?? 0) * 1.1)] } },
      axes: [
        { show: true, size: 0, splits: () => [1, 2, 3, 4].map((part) => (-this.#reach * part) / 5), values: () => [], ticks: { show: false }, grid: { stroke: colour("--line"), width: 1 } },
        { show: false },
      ],
      series: [{}, { stroke: line, width: 1.5, fill: colour("--wash"), points: { show: false } }],
      hooks: { setCursor: [(u) => this.onpoint(u.cursor.idx ?? null)] },
    }, this.#all(), this.element);
    this.#size();
  }
}
