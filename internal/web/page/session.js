// Who is looking, where the gateway asks for that.

import { button } from "./dom.js";
import { readSession, Refusal, signOut } from "./api.js";
import { Signal } from "./signal.js";

/** @typedef {import("./api.js").Session} Session */

class Who {
  /** @type {Session | null} */
  session = null;
  /** @type {Signal<void>} */
  changed = new Signal();

  /** A browser that has signed in can sign out. */
  out = button("leave", "Sign out", () => this.#leave(), { hidden: true });

  async start() {
    try {
      this.session = await readSession();
    } catch (error) {
      if (lapsed(error)) again();
      return; // an older gateway, or none: nothing depends on it
    }
    this.out.hidden = this.session.kind !== "session";
    if (this.session.user) this.out.title = `Sign out ${this.session.user}`;
    this.changed.emit();
  }

  /** links tells whether addresses need credentials, and this person may make links that need none. */
  get links() {
    return this.session !== null && this.session.kind !== "anonymous" && this.session.role !== "viewer";
  }

  /** watches tells whether this person may watch and change nothing. */
  get watches() {
    return this.session?.role === "viewer";
  }

  async #leave() {
    await signOut();
    again();
  }
}

/**
 * lapsed tells whether the gateway knows this browser no longer.
 * @param {unknown} error
 */
export function lapsed(error) {
  return error instanceof Refusal && (error.status === 401 || error.status === 429);
}

/** again loads the page anew, which asks for the password if one is needed. */
export function again() {
  location.reload();
}

export const who = new Who();
