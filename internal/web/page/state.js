// What there is to say about a camera: one word, and when there is trouble, what it is and what to do next.

import { live } from "./live.js";

/** @typedef {import("./api.js").Camera} Camera */

/**
 * @typedef {object} State
 * @property {"live" | "rest" | "wait" | "down"} level
 * @property {string} word
 * @property {string} title empty: there is nothing to worry about
 * @property {string} advice what to do next
 * @property {string} detail what exactly is wrong, if more is known than the title says
 */

/**
 * stateOf is the state of a camera as the gateway tells it.
 * @param {Camera | undefined} camera
 * @returns {State}
 */
export function stateOf(camera) {
  if (!live.connected && live.known) {
    return {
      level: "down", word: "No gateway", title: "The gateway does not answer",
      advice: "This page tries again by itself. Check that camgw runs and that this device is in its network.", detail: "",
    };
  }
  if (!camera) return { level: "wait", word: "…", title: "", advice: "", detail: "" };
  const troubled = camera.cause !== "none" && camera.cause !== "";
  if (troubled || camera.state === "offline") {
    const title = camera.cause_title || camera.cause.replaceAll("_", " ");
    const advice = camera.cause_advice || camera.reason;
    return {
      level: camera.cause === "rebooting" ? "wait" : "down",
      word: camera.cause === "rebooting" ? "Rebooting" : "No signal",
      title, advice, detail: camera.reason !== advice && camera.reason !== title ? camera.reason : "",
    };
  }
  if (camera.state === "connecting") {
    return {
      level: "wait", word: "Connecting", title: camera.cause_title || "Connecting",
      advice: camera.cause_advice || "Waiting for the camera to answer.", detail: camera.reason,
    };
  }
  if (camera.state === "idle") return { level: "rest", word: "Resting", title: "", advice: "", detail: "" };
  return { level: "live", word: "Live", title: "", advice: "", detail: "" };
}

/**
 * healthOf is how well the link does.
 * @param {Camera} camera
 * @returns {{level: "good" | "strained" | "bad", words: string}}
 */
export function healthOf(camera) {
  const health = camera.health ?? { level: "good", words: "" };
  return { level: health.level, words: health.words || "No trouble on the link." };
}

/** @param {Camera} camera */
export function nameOf(camera) {
  return camera.device?.name || camera.id;
}
