// What the settings of a camera are called and how they are best shown. A setting that is not named here is shown all the same.

/**
 * @typedef {object} About
 * @property {string} name
 * @property {string} group
 * @property {"switch" | "choice" | "size" | "number"} [kind] else a slider
 * @property {string[]} [choices] by value
 * @property {string} [unit]
 * @property {string} [low] what the lower end means
 * @property {string} [high]
 * @property {string} [hint]
 * @property {[string, number]} [needs] means something only while another setting has a value
 * @property {number} [step]
 */

export const groups = ["Picture", "Rate", "Exposure", "Colour", "Corrections", "Device"];

/** @type {Record<string, About>} */
export const about = {
  size: { name: "Size", group: "Picture", kind: "size" },
  hmirror: { name: "Mirror", group: "Picture", kind: "switch", hint: "left to right, for every viewer" },
  vflip: { name: "Flip", group: "Picture", kind: "switch", hint: "top to bottom, for every viewer" },
  brightness: { name: "Brightness", group: "Picture" },
  contrast: { name: "Contrast", group: "Picture" },
  sharpness: { name: "Sharpness", group: "Picture" },
  denoise: { name: "Noise reduction", group: "Picture" },
  lamp: { name: "Lamp", group: "Picture", low: "off", high: "full" },

  quality: { name: "Quality", group: "Rate", low: "best", high: "smallest", hint: "0 is best; as many pictures as the link carries" },
  target_fps: { name: "Pictures per second", group: "Rate", unit: "fps", step: 0.5, hint: "quality is moved to hold them" },
  quality_best: { name: "Best quality", group: "Rate", hint: "lower is better" },
  quality_worst: { name: "Worst quality", group: "Rate", hint: "lower is better" },
  min_interval_ms: { name: "Least time between pictures", group: "Rate", kind: "number", hint: "in milliseconds" },

  aec: { name: "Automatic exposure", group: "Exposure", kind: "switch" },
  aec2: { name: "Night mode", group: "Exposure", kind: "switch", hint: "exposes longer in the dark" },
  ae_level: { name: "Exposure bias", group: "Exposure", needs: ["aec", 1] },
  aec_value: { name: "Exposure time", group: "Exposure", needs: ["aec", 0] },
  agc: { name: "Automatic gain", group: "Exposure", kind: "switch" },
  gainceiling: { name: "Most gain", group: "Exposure", kind: "choice", choices: ["2×", "4×", "8×", "16×", "32×", "64×", "128×"], needs: ["agc", 1] },
  agc_gain: { name: "Gain", group: "Exposure", needs: ["agc", 0] },

  saturation: { name: "Saturation", group: "Colour" },
  awb: { name: "White balance", group: "Colour", kind: "switch" },
  awb_gain: { name: "White balance gain", group: "Colour", kind: "switch" },
  wb_mode: { name: "Light", group: "Colour", kind: "choice", choices: ["Automatic", "Sunny", "Cloudy", "Office", "Home"], needs: ["awb_gain", 1] },
  effect: { name: "Effect", group: "Colour", kind: "choice", choices: ["None", "Negative", "Grey", "Red tint", "Green tint", "Blue tint", "Sepia"] },

  lenc: { name: "Lens correction", group: "Corrections", kind: "switch" },
  raw_gma: { name: "Gamma", group: "Corrections", kind: "switch" },
  bpc: { name: "Black pixel correction", group: "Corrections", kind: "switch" },
  wpc: { name: "White pixel correction", group: "Corrections", kind: "switch" },
  dcw: { name: "Downsizing", group: "Corrections", kind: "switch" },
  colorbar: { name: "Test bars", group: "Corrections", kind: "switch" },

  log_level: { name: "Log", group: "Device", kind: "choice", choices: ["Nothing", "Errors", "Warnings", "Information", "Everything"] },
  xclk_hz: { name: "Sensor clock", group: "Device", unit: "Hz" },
  chunk_bytes: { name: "Chunk", group: "Device", unit: "bytes" },
};

/**
 * Sizes by name, as in docs/api.md.
 * @type {[string, number, number][]}
 */
const sizes = [
  ["96X96", 96, 96], ["QQVGA", 160, 120], ["128X128", 128, 128], ["QCIF", 176, 144], ["HQVGA", 240, 176], ["240X240", 240, 240],
  ["QVGA", 320, 240], ["320X320", 320, 320], ["CIF", 400, 296], ["HVGA", 480, 320], ["VGA", 640, 480], ["SVGA", 800, 600],
  ["XGA", 1024, 768], ["HD", 1280, 720], ["SXGA", 1280, 1024], ["UXGA", 1600, 1200], ["FHD", 1920, 1080], ["P_HD", 720, 1280],
  ["P_3MP", 864, 1536], ["QXGA", 2048, 1536], ["QHD", 2560, 1440], ["WQXGA", 2560, 1600], ["P_FHD", 1080, 1920], ["QSXGA", 2560, 1920], ["5MP", 2592, 1944],
];

/**
 * sizesWithin are the sizes that lie in a device's range, as WIDTHxHEIGHT.
 * @param {string} min
 * @param {string} max
 * @returns {{value: string, name: string}[]}
 */
export function sizesWithin(min, max) {
  const [minWidth, minHeight] = min.split("x").map(Number);
  const [maxWidth, maxHeight] = max.split("x").map(Number);
  return sizes
    .filter(([, width, height]) => width >= minWidth && height >= minHeight && width <= maxWidth && height <= maxHeight)
    .map(([name, width, height]) => ({ value: `${width}x${height}`, name: /^\d/.test(name) && name !== "5MP" ? `${width} × ${height}` : `${width} × ${height}  ${name}` }));
}

/** @typedef {Record<string, string | number>} Preset */

/**
 * What people want, in the words of the device. What it does not have is left out, what is beyond it is brought into range.
 * @type {{name: string, hint: string, set: Preset}[]}
 */
export const presets = [
  { name: "Balanced", hint: "SVGA, 10 fps, quality as the link allows", set: { size: "800x600", quality: "auto", target_fps: 10, min_interval_ms: 0 } },
  { name: "Smooth", hint: "VGA, 20 fps", set: { size: "640x480", quality: "auto", target_fps: 20, min_interval_ms: 0 } },
  { name: "Sharp", hint: "the largest size up to SXGA, high quality, as fast as it goes", set: { size: "1280x1024", quality: 8, min_interval_ms: 0 } },
  { name: "Dark", hint: "longer exposure and more gain", set: { aec: 1, aec2: 1, agc: 1, gainceiling: 6, ae_level: 2 } },
  { name: "Slow link", hint: "QVGA, 5 fps", set: { size: "320x240", quality: "auto", target_fps: 5, quality_worst: 50 } },
];
