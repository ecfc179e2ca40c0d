// The page: which view is on, the head above it, and the news for those who cannot see it.

import { Grid } from "./grid.js";
import { View } from "./view.js";
import { announce } from "./announce.js";
import { button, part, text } from "./dom.js";
import { live } from "./live.js";
import { who } from "./session.js";
import { stateOf } from "./state.js";
import { toggleTheme } from "./colours.js";

const main = part(document, "#main", HTMLElement);
const heading = part(document, "#title", HTMLElement);
const summary = part(document, "#summary", HTMLElement);
const tools = part(document, "#tools", HTMLElement);
const theme = button("theme", "Light or dark", toggleTheme);

/** @type {Grid | View | null} */
let view = null;

/** An address is #/ or #/cam/ID or #/cam/ID/TAB, so that each view can be shared and bookmarked. */
function route() {
  const [, place, id, tab] = location.hash.split("/");
  if (place === "cam" && id) {
    const camera = decode(id);
    if (view instanceof View && view.id === camera) view.open(tab);
    else enter(new View(camera, tab));
  } else if (!(view instanceof Grid)) {
    enter(new Grid());
  }
  head();
}

/** @param {string} part of an address; somebody may have typed it */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @param {Grid | View} next */
function enter(next) {
  const first = view === null;
  view?.close();
  view = next;
  main.replaceChildren(next.element);
  document.body.dataset.view = next instanceof Grid ? "grid" : "view";
  tools.replaceChildren(...next.tools, theme, who.out);
  scrollTo(0, 0);
  if (!first) main.focus({ preventScroll: true });
}

function head() {
  if (!view) return;
  text(heading, view instanceof View ? view.name() : "Cameras");
  text(summary, view.title());
  const down = live.connected ? live.cameras.filter((camera) => stateOf(camera).level === "down").length : 0;
  document.title = (down > 0 ? `(${down} without signal) ` : "") + (view instanceof View ? `${view.name()} – camgw` : "camgw");
}

addEventListener("hashchange", route);
live.changed.on(head);
announce(part(document, "#news", HTMLElement));
live.start();
who.start();
route();
