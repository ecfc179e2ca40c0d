// Says aloud what changes on the screen: a camera that goes and one that comes back, not each figure.

import { live } from "./live.js";
import { nameOf, stateOf } from "./state.js";

/** @param {HTMLElement} region an aria-live region */
export function announce(region) {
  /** @type {Map<string, {state: string, boot: string}>} */
  const before = new Map();
  let connected = true;

  live.changed.on(() => {
    /** @type {string[]} */
    const news = [];
    if (live.known && live.connected !== connected) {
      connected = live.connected;
      news.push(connected ? "The gateway answers again." : "The gateway does not answer.");
    }
    if (live.connected) {
      for (const camera of live.cameras) {
        const state = stateOf(camera);
        const now = { state: state.title ? `${state.word}: ${state.title}` : "up", boot: camera.device?.boot_id ?? "" };
        const was = before.get(camera.id);
        before.set(camera.id, now);
        if (!was) continue;
        if (was.state !== now.state) news.push(`${nameOf(camera)} ${now.state === "up" ? "is back" : now.state}.`);
        // A device is up again within less time than passes between two looks of the gateway's.
        else if (was.boot && now.boot && was.boot !== now.boot) news.push(`${nameOf(camera)} has rebooted.`);
      }
    }
    if (news.length > 0) region.textContent = news.join(" ");
  });
}
