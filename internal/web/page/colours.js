// Light or dark: the system's choice, unless this person has another.

import { Signal } from "./signal.js";

/**
 * The colours have changed; what is drawn on a canvas has to be drawn again.
 * @type {Signal<void>}
 */
export const recoloured = new Signal();

const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

export function toggleTheme() {
  const theme = dark() ? "light" : "dark";
  root.dataset.theme = theme;
  try {
    localStorage.setItem("camgw-theme", theme);
  } catch {
    // It lasts as long as the page.
  }
  recoloured.emit();
}

system.addEventListener("change", () => recoloured.emit());

/** @param {string} name of a custom property of base.css */
export const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
