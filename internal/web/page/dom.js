// Elements without markup: what devices and people call things is only ever text.

/**
 * h makes an element. Attributes that are functions are listeners ("onclick"), true and false set and omit.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

/**
 * text sets the text of an element, and touches nothing when it is that already.
 * @param {Element} element
 * @param {string} value
 */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/**
 * part is the one element in a piece of the page that a selector names. The page was written with it.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
export function part(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`the page has no ${selector}`);
  return found;
}

/**
 * Outlines of 24 by 24.
 * @type {Record<string, string>}
 */
const outlines = {
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  snapshot: "M4 8h3.2L9 5.5h6L16.8 8H20v11H4zM12 16.4a3.2 3.2 0 100-6.4 3.2 3.2 0 000 6.4z",
  expand: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  rotate: "M19.5 12a7.5 7.5 0 11-2.6-5.7M20 3v4.5h-4.5",
  mirror: "M12 3v18M9 7L3.5 17H9zM15 7l5.5 10H15z",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  whole: "M4 6h16v12H4zM9 10l-2.5 2L9 14M15 10l2.5 2L15 14",
  theme: "M12 3.5a8.5 8.5 0 100 17zM12 3.5a8.5 8.5 0 010 17",
  arrange: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13v7M13 16.5h7",
  wide: "M3 7h18v10H3zM8 10l-2 2 2 2M16 10l2 2-2 2",
  hide: "M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM4 20L20 4",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  undo: "M8.5 5L4 9.5 8.5 14M4 9.5h9.5a6 6 0 010 12H11",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  keys: "M3 7h18v11H3zM7 11h.01M11 11h.01M15 11h.01M8 14.5h8",
  warning: "M12 4l9 16H3zM12 10v4.5M12 17.2v.1",
};

/**
 * icon draws one of the outlines. It is decoration: what it stands for is said beside it or in the button's label.
 * @param {string} name
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", outlines[name] ?? "");
  svg.append(path);
  return svg;
}

/**
 * button is a button with an icon, named for those who do not see it.
 * @param {string} name of the icon
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, string | boolean>} [attributes]
 */
export function button(name, label, onclick, attributes = {}) {
  return h("button", { type: "button", class: "tool", title: label, "aria-label": label, onclick, ...attributes }, icon(name));
}
