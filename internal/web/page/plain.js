// Pictures without a WebSocket, for networks that bar it. A browser opens at most six connections to one host: the
// first few cameras get one each for their MJPEG stream, the others take turns with single pictures.

import { deadline, snapshotAddress, streamAddress } from "./api.js";

const streamLimit = 3;
const round = 1000;          // ms between two single pictures of one camera
const renewEvery = 3600000;  // ms; browsers grow when a stream stays open for hours

/** Show is a camera shown in an <img>. */
class Show {
  #timer = 0;
  #failures = 0;
  stream = false;

  /**
   * @param {Plain} plain
   * @param {string} id
   * @param {HTMLImageElement} image
   * @param {() => void} shown
   */
  constructor(plain, id, image, shown) {
    this.plain = plain;
    this.id = id;
    this.image = image;
    this.shown = shown;
    image.onload = () => { this.#failures = 0; shown(); };
    image.onerror = () => {
      if (!this.stream) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.open(), Math.min(1000 * 2 ** this.#failures++, 10000));
    };
  }

  /** open starts the stream anew. The number keeps the browser from joining the old one. */
  open() {
    clearTimeout(this.#timer);
    this.stream = true;
    this.image.src = `${streamAddress(this.id)}?t=${Date.now()}`;
    this.#timer = setTimeout(() => this.open(), renewEvery);
  }

  close() {
    clearTimeout(this.#timer);
    this.image.onload = this.image.onerror = null;
    this.image.removeAttribute("src");
    this.plain.closed(this);
  }
}

export class Plain {
  /** @type {Set<Show>} */
  #shows = new Set();
  #polling = false;

  /**
   * @param {string} id
   * @param {HTMLImageElement} image
   * @param {() => void} shown
   */
  show(id, image, shown) {
    const show = new Show(this, id, image, shown);
    this.#shows.add(show);
    this.#promote();
    return show;
  }

  /** again opens all streams anew: one that ended with the gateway does not start by itself, and not every browser tells. */
  again() {
    for (const show of this.#shows) if (show.stream) show.open();
  }

  /** @param {Show} show */
  closed(show) {
    this.#shows.delete(show);
    this.#promote();
  }

  #promote() {
    let streams = 0;
    for (const show of this.#shows) if (show.stream) streams++;
    for (const show of this.#shows) {
      if (show.stream || streams >= streamLimit) continue;
      streams++;
      show.open();
    }
    if (this.#shows.size > streams && !this.#polling) this.#poll();
  }

  async #poll() {
    this.#polling = true;
    for (;;) {
      const waiting = [...this.#shows].filter((show) => !show.stream);
      if (waiting.length === 0) break;
      const turn = new Promise((resolve) => setTimeout(resolve, round));
      for (const show of waiting) await this.#single(show);
      await turn;
    }
    this.#polling = false;
  }

  /** @param {Show} show */
  async #single(show) {
    try {
      const answer = await fetch(snapshotAddress(show.id), { cache: "no-store", signal: deadline(5000) });
      if (!answer.ok || !this.#shows.has(show) || show.stream) return;
      const url = URL.createObjectURL(await answer.blob());
      show.image.src = url;
      await show.image.decode().catch(() => {});
      URL.revokeObjectURL(url);
    } catch {
      // The next turn comes soon; what is wrong, the state says.
    }
  }
}
