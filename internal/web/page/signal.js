/**
 * A Signal tells its listeners of one kind of event.
 * @template T
 */
export class Signal {
  /** @type {Set<(value: T) => void>} */
  #listeners = new Set();

  /**
   * on adds a listener, and returns what removes it.
   * @param {(value: T) => void} listener
   * @returns {() => void}
   */
  on(listener) {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }

  /** @param {T} value */
  emit(value) {
    for (const listener of [...this.#listeners]) listener(value);
  }
}
