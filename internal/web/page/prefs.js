// What this person has chosen in this browser. Nothing of it reaches the gateway.

/**
 * @typedef {object} Arrangement how one camera is shown
 * @property {number} [turn] quarters clockwise
 * @property {boolean} [mirror]
 * @property {boolean} [wide] takes two places in the grid
 * @property {boolean} [hidden] is left out of the grid
 *
 * @typedef {object} Prefs
 * @property {"fit" | "small" | "medium" | "large"} tiles
 * @property {string[]} order of the grid, by camera id; those not named follow
 * @property {Record<string, Arrangement>} cameras
 * @property {Record<string, Record<string, string | number>>} presets a person's own, by name
 */

const key = "camgw";

/** @returns {Prefs} */
function read() {
  /** @type {Prefs} */
  const fresh = { tiles: "fit", order: [], cameras: {}, presets: {} };
  try {
    return { ...fresh, ...JSON.parse(localStorage.getItem(key) ?? "{}") };
  } catch {
    return fresh; // no storage here, or not ours: the page works all the same
  }
}

export const prefs = read();

/** save keeps what has been changed in prefs. */
export function save() {
  try {
    localStorage.setItem(key, JSON.stringify(prefs));
  } catch {
    // Private windows and full disks: it lasts as long as the page.
  }
}

/**
 * arrangement is how a camera is shown; write to it, then save.
 * @param {string} id
 * @returns {Arrangement}
 */
export function arrangement(id) {
  return (prefs.cameras[id] ??= {});
}
