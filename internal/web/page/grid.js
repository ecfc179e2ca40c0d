// All cameras at once, as large as fits. What is not on the screen is not fetched, what is small is fetched less often.

import { h, button, text } from "./dom.js";
import { arrangement, prefs, save } from "./prefs.js";
import { live } from "./live.js";
import { nameOf } from "./state.js";
import { Screen } from "./screen.js";

/** @typedef {import("./api.js").Camera} Camera */

const gap = 10;            // px, as in grid.css
const smallest = 200;      // px; narrower tiles would show nothing: scroll instead
const leaveAfter = 700;    // ms that a tile stays subscribed out of sight, for those who scroll

/** Acknowledgements per second that one connection may send, with room to spare (docs/websocket.md). */
const acksPerSecond = 400;

/**
 * rateFor is how many pictures per second a tile is worth; 0: all there are.
 * @param {number} width in px
 * @param {number} tiles how many there are
 */
export function rateFor(width, tiles) {
  if (width < 140) return 4;
  if (width < 200) return 8;
  return tiles > 12 ? Math.floor(acksPerSecond / tiles) : 0;
}

/**
 * fit finds the columns that show n tiles largest in a room, without scrolling if they stay large enough to be seen.
 * @param {number} n
 * @param {number} width
 * @param {number} height
 * @param {number} aspect
 * @returns {{columns: number, tile: number}} tile: its width in px
 */
export function fit(n, width, height, aspect) {
  if (width < 600) {
    const columns = n > 4 ? 2 : 1; // a hand-held screen is scrolled anyway
    return { columns, tile: Math.floor((width - gap * (columns - 1)) / columns) };
  }
  let best = { columns: 1, tile: 0 };
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * aspect;
    const tile = Math.floor(Math.min(byWidth, byHeight));
    if (tile > best.tile) best = { columns, tile };
  }
  if (best.tile >= smallest) return best;
  const columns = Math.max(1, Math.min(n, Math.floor((width + gap) / (smallest + gap))));
  return { columns, tile: Math.floor((width - gap * (columns - 1)) / columns) };
}

class Tile {
  /** @param {string} id @param {Grid} grid */
  constructor(id, grid) {
    this.id = id;
    this.grid = grid;
    this.visible = false;
    this.leaving = 0;
    this.screen = new Screen(id);
    this.screen.onpicture = () => { if (this.element.dataset.level !== "live") this.show(); };
    this.name = h("span", { class: "tile-name" });
    this.figure = h("span", { class: "tile-figure" });
    this.word = h("span", { class: "tile-word" });
    this.link = h("a", { class: "tile-link", href: `#/cam/${encodeURIComponent(id)}` },
      this.screen.element,
      h("span", { class: "tile-caption" }, h("span", { class: "dot" }), this.name, this.word, this.figure));
    this.tools = h("div", { class: "tile-tools" },
      button("back", `Move ${id} forward`, () => grid.move(id, -1)),
      button("wide", `Show ${id} larger`, () => grid.change(id, (a) => { a.wide = !a.wide; })),
      button("hide", `Hide or show ${id}`, () => grid.change(id, (a) => { a.hidden = !a.hidden; })),
      button("next", `Move ${id} back`, () => grid.move(id, 1)));
    this.element = h("article", { class: "tile", "aria-label": `Camera ${id}` }, this.link, this.tools);
    grid.watcher.observe(this.element);
  }

  /** @param {boolean} visible */
  sight(visible) {
    this.visible = visible;
    clearTimeout(this.leaving);
    if (visible) this.pace();
    else this.leaving = setTimeout(() => this.screen.want(null), leaveAfter);
  }

  pace() {
    if (this.visible) this.screen.want(rateFor(this.element.clientWidth, this.grid.size));
  }

  show() {
    const camera = live.camera(this.id);
    if (!camera) return;
    const state = this.screen.state();
    const { turn = 0, mirror = false, wide = false, hidden = false } = arrangement(this.id);
    this.element.dataset.level = state.level;
    this.element.dataset.health = camera.health?.level ?? "good";
    this.element.classList.toggle("wide", wide);
    this.element.classList.toggle("out", hidden);
    this.screen.glass.dataset.turn = String(turn);
    this.screen.glass.classList.toggle("mirror", mirror);
    text(this.name, nameOf(camera));
    text(this.word, state.level === "live" ? "" : state.word);
    text(this.figure, state.level === "live" ? `${camera.fps.toFixed(1)} fps` : "");
    this.figure.title = camera.health?.words ?? "";
  }

  close() {
    clearTimeout(this.leaving);
    this.grid.watcher.unobserve(this.element);
    this.screen.close();
    this.element.remove();
  }
}

export class Grid {
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  #arranging = false;
  #off;
  #timer = 0;
  #order = "";

  constructor() {
    this.watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) this.#tileOf(entry.target)?.sight(entry.isIntersecting);
    }, { rootMargin: "80px" });
    this.wall = h("div", { class: "wall" });
    this.note = h("p", { class: "note", hidden: true });
    this.element = h("section", { class: "grid", "aria-label": "All cameras" }, this.wall, this.note);
    this.sizes = h("select", { "aria-label": "Size of the pictures", onchange: () => this.#resize() },
      ...[["fit", "Fit"], ["small", "Small"], ["medium", "Medium"], ["large", "Large"]].map(([value, name]) => h("option", { value, selected: prefs.tiles === value }, name)));
    this.arrange = button("arrange", "Arrange the cameras", () => this.#toggle(), { "aria-pressed": "false" });
    this.tools = [this.sizes, this.arrange];
    this.resizer = new ResizeObserver(() => this.#lay());
    this.resizer.observe(this.element);
    this.#off = live.changed.on(() => this.refresh());
    this.#timer = setInterval(() => this.#tiles.forEach((tile) => tile.show()), 1000);
    this.refresh();
  }

  /** size is how many tiles there are. */
  get size() {
    return this.#tiles.size;
  }

  /** title is what the page's head says. */
  title() {
    if (!live.known) return "";
    if (!live.connected) return "The gateway does not answer. Trying again …";
    const up = live.cameras.filter((camera) => (camera.cause === "none" || camera.cause === "") && ["streaming", "idle"].includes(camera.state)).length;
    return `${up} of ${live.cameras.length} live`;
  }

  close() {
    this.#off();
    clearInterval(this.#timer);
    this.watcher.disconnect();
    this.resizer.disconnect();
    for (const tile of this.#tiles.values()) tile.close();
  }

  refresh() {
    const ids = this.#sorted().filter((id) => this.#arranging || !arrangement(id).hidden);
    for (const [id, tile] of this.#tiles) {
      if (ids.includes(id)) continue;
      tile.close();
      this.#tiles.delete(id);
    }
    for (const id of ids) {
      if (!this.#tiles.has(id)) this.#tiles.set(id, new Tile(id, this));
      this.#tiles.get(id)?.show();
    }
    const order = ids.map((id) => id + (arrangement(id).wide ? "+" : "")).join(" ");
    if (order !== this.#order) {
      this.#order = order;
      this.#place(ids);
      this.#lay();
    }
    this.#explain(ids.length);
  }

  /** @param {string[]} ids */
  #place(ids) {
    ids.forEach((id, index) => {
      const element = this.#tiles.get(id)?.element;
      const there = this.wall.children[index];
      if (element && there !== element) this.wall.insertBefore(element, there ?? null);
    });
  }

  /** @param {number} shown */
  #explain(shown) {
    const hidden = live.cameras.length - shown;
    let words = "";
    if (live.known && live.connected && live.cameras.length === 0) words = "No camera is configured. Start the gateway with camgw serve --port /dev/ttyUSB0; camgw demo shows a simulated one.";
    else if (hidden > 0) words = `${hidden} hidden. Arrange brings them back.`;
    else if (live.known && !live.connected && live.cameras.length === 0) words = "The gateway does not answer. This page tries again by itself.";
    text(this.note, words);
    this.note.hidden = words === "";
  }

  #sorted() {
    const known = live.cameras.map((camera) => camera.id);
    const chosen = prefs.order.filter((id) => known.includes(id));
    return [...chosen, ...known.filter((id) => !chosen.includes(id))];
  }

  /** @param {string} id @param {number} by */
  move(id, by) {
    const ids = this.#sorted();
    const from = ids.indexOf(id);
    const to = Math.max(0, Math.min(ids.length - 1, from + by));
    ids.splice(to, 0, ...ids.splice(from, 1));
    prefs.order = ids;
    save();
    const focus = document.activeElement;
    this.refresh();
    if (focus instanceof HTMLElement) focus.focus();
  }

  /** @param {string} id @param {(a: import("./prefs.js").Arrangement) => void} how */
  change(id, how) {
    how(arrangement(id));
    save();
    this.refresh();
  }

  #toggle() {
    this.#arranging = !this.#arranging;
    this.arrange.setAttribute("aria-pressed", String(this.#arranging));
    this.element.classList.toggle("arranging", this.#arranging);
    this.refresh();
  }

  #resize() {
    prefs.tiles = /** @type {typeof prefs.tiles} */ (this.sizes.value);
    save();
    this.#lay();
  }

  #lay() {
    const style = getComputedStyle(this.element);
    const width = this.element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = innerHeight - this.element.getBoundingClientRect().top - scrollY - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const count = [...this.#tiles.keys()].reduce((sum, id) => sum + (arrangement(id).wide ? 4 : 1), 0);
    if (width <= 0 || count === 0) return;
    const least = { fit: 0, small: 180, medium: 320, large: 560 }[prefs.tiles] ?? 0;
    const columns = Math.max(1, Math.floor((width + gap) / (Math.min(least, width) + gap)));
    const plan = least === 0 ? fit(count, width, height, 4 / 3) : { columns, tile: Math.floor((width - gap * (columns - 1)) / columns) };
    this.wall.style.setProperty("--columns", String(plan.columns));
    this.wall.style.setProperty("--tile", `${plan.tile}px`);
    for (const tile of this.#tiles.values()) tile.pace();
  }

  /** @param {Element} element */
  #tileOf(element) {
    for (const tile of this.#tiles.values()) if (tile.element === element) return tile;
    return undefined;
  }
}
