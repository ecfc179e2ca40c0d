// Figures in words, always of the same form, so that columns of them stand still.

/** @param {number | null | undefined} value @param {number} [digits] */
export const number = (value, digits = 0) => (value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits));

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** @param {number | null | undefined} value per second */
export function rate(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value < 999500 ? `${Math.round(value / 1000)} kB/s` : `${(value / 1e6).toFixed(2)} MB/s`;
}

/** @param {number} baud */
export function baud(baud) {
  return baud >= 1000000 ? `${baud / 1e6} Mbaud` : `${baud} baud`;
}

/** @param {number} n @param {string} one @param {string} [many] */
export const count = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;

/**
 * stamp is a time as part of a file's name.
 * @param {Date} at
 */
export const stamp = (at) => new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace("T", "_").replaceAll(":", "-");
