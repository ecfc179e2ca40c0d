// Copying also where browsers keep the clipboard to secure origins, as at http://raspberrypi:8080.

import { h } from "./dom.js";

/**
 * copy puts text into the clipboard; false: the browser would not.
 * @param {string} text
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", readonly: true, "aria-hidden": "true", tabindex: -1 });
    const focus = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    let done = false;
    try {
      done = document.execCommand("copy");
    } finally {
      area.remove();
      if (focus instanceof HTMLElement) focus.focus();
    }
    return done;
  }
}
