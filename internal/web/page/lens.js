// How one picture is looked at: zoomed and moved by wheel, fingers and keys; turned and mirrored, which is remembered.

import { arrangement, save } from "./prefs.js";

const most = 8; // times

export class Lens {
  zoom = 1;
  x = 0;
  y = 0;
  /** @type {Map<number, {x: number, y: number}>} */
  #fingers = new Map();
  /**
   * Called when the zoom has changed.
   * @type {() => void}
   */
  onchange = () => {};

  /**
   * @param {string} id of the camera
   * @param {HTMLElement} stage the room, which keeps its place
   * @param {HTMLElement} glass what is moved
   */
  constructor(id, stage, glass) {
    this.id = id;
    this.stage = stage;
    this.glass = glass;
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#about(event.clientX, event.clientY, Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)));
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => {
      if (this.zoom > 1) this.whole();
      else this.#about(event.clientX, event.clientY, 2.5);
    });
    stage.addEventListener("pointerdown", (event) => {
      this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, (event) => this.#fingers.delete(/** @type {PointerEvent} */ (event).pointerId));
    }
    this.#apply();
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    const was = this.#fingers.get(event.pointerId);
    if (!was) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.#fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.#fingers.set(event.pointerId, now);
    if (!other) {
      this.move(now.x - was.x, now.y - was.y);
      return;
    }
    const before = Math.hypot(was.x - other.x, was.y - other.y);
    const after = Math.hypot(now.x - other.x, now.y - other.y);
    if (before > 0) this.#about((now.x + other.x) / 2, (now.y + other.y) / 2, after / before);
    this.move((now.x - was.x) / 2, (now.y - was.y) / 2);
  }

  /**
   * #about zooms so that what lies under a point stays there.
   * @param {number} clientX @param {number} clientY @param {number} by
   */
  #about(clientX, clientY, by) {
    const box = this.stage.getBoundingClientRect();
    const zoom = Math.min(most, Math.max(1, this.zoom * by));
    const px = clientX - box.left - box.width / 2;
    const py = clientY - box.top - box.height / 2;
    const grow = zoom / this.zoom;
    this.x = px - (px - this.x) * grow;
    this.y = py - (py - this.y) * grow;
    this.zoom = zoom;
    this.#apply();
  }

  /** @param {number} by */
  scale(by) {
    const box = this.stage.getBoundingClientRect();
    this.#about(box.left + box.width / 2, box.top + box.height / 2, by);
  }

  whole() {
    this.zoom = 1;
    this.#apply();
  }

  /** @param {number} dx @param {number} dy in px */
  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#apply();
  }

  turn() {
    const a = arrangement(this.id);
    a.turn = ((a.turn ?? 0) + 1) % 4;
    save();
    this.#apply();
  }

  mirror() {
    const a = arrangement(this.id);
    a.mirror = !a.mirror;
    save();
    this.#apply();
  }

  #apply() {
    const roomX = (this.stage.clientWidth * (this.zoom - 1)) / 2;
    const roomY = (this.stage.clientHeight * (this.zoom - 1)) / 2;
    this.x = Math.min(roomX, Math.max(-roomX, this.x));
    this.y = Math.min(roomY, Math.max(-roomY, this.y));
    const { turn = 0, mirror = false } = arrangement(this.id);
    this.glass.dataset.turn = String(turn);
    this.glass.classList.toggle("mirror", mirror);
    this.glass.style.transform = this.zoom === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    this.stage.classList.toggle("zoomed", this.zoom > 1);
    this.onchange();
  }
}
