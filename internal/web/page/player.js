// Puts JPEGs on a canvas as fast as the browser can, and no faster: while one is being decoded only the newest of
// those that come is kept. The pixels are handed to the canvas, not copied, and nothing is left for the collector.

/** @typedef {import("./wire.js").Picture} Picture */

export class Player {
  /** @type {{picture: Picture, done: (sequence: number) => void} | null} */
  #next = null;
  #busy = false;
  #generation = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(picture: Picture) => void} shown
   */
  constructor(canvas, shown) {
    this.canvas = canvas;
    this.context = /** @type {ImageBitmapRenderingContext} */ (canvas.getContext("bitmaprenderer", { alpha: false }));
    this.shown = shown;
  }

  /**
   * show takes a picture, and calls done with its sequence when it and all before it have been shown or thrown away.
   * @param {Picture} picture
   * @param {(sequence: number) => void} done
   */
  show(picture, done) {
    this.#next = { picture, done };
    if (!this.#busy) this.#run();
  }

  /** clear takes the picture away, and those that are under way. */
  clear() {
    this.#generation++;
    this.#next = null;
    this.context.transferFromImageBitmap(null);
  }

  async #run() {
    this.#busy = true;
    while (this.#next) {
      const { picture, done } = this.#next;
      const generation = this.#generation;
      this.#next = null;
      try {
        const bitmap = await createImageBitmap(picture.jpeg);
        if (generation === this.#generation) {
          this.#draw(bitmap);
          this.shown(picture);
        } else {
          bitmap.close();
        }
      } catch {
        // Not a picture after all. The gateway checks them; the next will do.
      }
      done(picture.sequence);
    }
    this.#busy = false;
  }

  /** @param {ImageBitmap} bitmap */
  #draw(bitmap) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    this.context.transferFromImageBitmap(bitmap);
  }
}
