// The gateway's HTTP interface (docs/api.md). All addresses are relative, so that a reverse proxy may put the page anywhere.

/**
 * @typedef {object} Camera as in /api/v1/cameras. What newer gateways tell may be missing.
 * @property {string} id
 * @property {string} port
 * @property {"offline" | "connecting" | "streaming" | "idle"} state
 * @property {string} cause
 * @property {string} reason
 * @property {string} [cause_title]
 * @property {string} [cause_advice]
 * @property {number} baud
 * @property {Device | null} device
 * @property {number} width
 * @property {number} height
 * @property {number | null} quality
 * @property {{target_fps: number, quality_best: number, quality_worst: number} | null} auto_quality
 * @property {number} fps
 * @property {{received: number, published: number, rejected: Record<string, number>, lost: number, skipped_by_device: number}} frames
 * @property {number} viewers
 * @property {number | null} last_frame_age_seconds
 * @property {number | null} [frame_age_seconds]
 * @property {number} [bytes_per_second]
 * @property {{bits_per_second: number | null, use: number | null, asked_fps: number | null, carried_fps: number | null}} [link]
 * @property {{level: "good" | "strained" | "bad", words: string}} [health]
 * @property {{checksum: number, junk_bytes: number, resyncs: number, lost: number}} [errors]
 * @property {{time: number, cause: string, title: string, detail: string} | null} [last_error]
 * @property {{stream: string, snapshot: string}} [urls]
 *
 * @typedef {object} Device
 * @property {string} board
 * @property {string} sensor
 * @property {string} firmware
 * @property {string} sdk
 * @property {string} name
 * @property {string} mac
 * @property {string} boot_id
 * @property {string} transport
 * @property {string} reset_reason
 * @property {boolean} test_card
 *
 * @typedef {object} Setting
 * @property {number | string | null} value
 * @property {number | string | null} min
 * @property {number | string | null} max
 * @property {boolean} supported
 * @property {boolean} read_only
 * @property {string} [name] of a size
 * @property {boolean} [auto]
 * @property {boolean} [clamped]
 *
 * @typedef {Record<string, Setting>} Settings
 *
 * @typedef {object} History a sample per second, the newest last
 * @property {number} interval
 * @property {number} end
 * @property {Record<string, (number | null)[]>} columns
 *
 * @typedef {object} Session who is asking
 * @property {string} user
 * @property {"anonymous" | "user" | "token" | "link" | "session"} kind
 * @property {"viewer" | "operator" | "admin"} role
 *
 * @typedef {{name: string, value: unknown, reason: string, detail: string}} Mistake
 */

/** Refusal is an answer of the gateway that is not what was asked for. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {Mistake[]} mistakes
   */
  constructor(status, detail, mistakes) {
    super(detail);
    this.status = status;
    this.mistakes = mistakes;
  }
}

/**
 * deadline ends a request that takes longer.
 * @param {number} milliseconds
 */
export function deadline(milliseconds) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
async function ask(path, init = {}) {
  // The header keeps the browser from asking for a password in a window of its own.
  const headers = { "X-Camgw-Page": "1", ...init.headers };
  const answer = await fetch(path, { cache: "no-store", signal: deadline(15000), ...init, headers });
  if (answer.status === 204) return null;
  if (answer.ok) return answer.json();
  /** @type {{detail?: string, errors?: Mistake[]}} */
  let problem = {};
  try {
    problem = await answer.json();
  } catch {
    // A proxy's page in between: the status has to do.
  }
  throw new Refusal(answer.status, problem.detail ?? `the gateway answered ${answer.status} ${answer.statusText}`, problem.errors ?? []);
}

/** @param {string} id */
const under = (id) => `api/v1/cameras/${encodeURIComponent(id)}`;

/** @returns {Promise<{version: string, cameras: Camera[]}>} */
export const readCameras = () => ask("api/v1/cameras", { signal: deadline(5000) });

/** @param {string} id @returns {Promise<Settings>} */
export const readSettings = (id) => ask(`${under(id)}/config`);

/**
 * writeSettings sets all or nothing, and returns what is in effect.
 * @param {string} id
 * @param {Record<string, string | number | boolean>} changes
 * @param {{clamp?: boolean, persist?: boolean}} how
 * @returns {Promise<Settings>}
 */
export function writeSettings(id, changes, { clamp = false, persist = false }) {
  const query = [clamp && "clamp=1", persist && "persist=1"].filter(Boolean).join("&");
  return ask(`${under(id)}/config${query && "?" + query}`, {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(changes),
  });
}

/** @param {string} id @returns {Promise<History>} */
export const readHistory = (id) => ask(`${under(id)}/history`);

/** @param {string} id */
export const streamAddress = (id) => `cam/${encodeURIComponent(id)}/stream.mjpg`;

/** @param {string} id */
export const snapshotAddress = (id) => `cam/${encodeURIComponent(id)}/snapshot.jpg`;

/** @returns {Promise<Session>} */
export const readSession = () => ask("api/v1/session");

export const signOut = () => ask("api/v1/session", { method: "DELETE" });

/**
 * makeLink makes addresses of a camera that need no credentials for a day.
 * @param {string} id
 * @returns {Promise<{stream: string, snapshot: string, until: number}>}
 */
export const makeLink = (id) =>
  ask(`${under(id)}/links`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ for: "24h" }) });
