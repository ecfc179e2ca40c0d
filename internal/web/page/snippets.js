// How other programs get this camera's pictures: addresses, and for each program what has to be typed or pasted.

import { makeLink, snapshotAddress, streamAddress } from "./api.js";
import { copy } from "./clipboard.js";
import { h, icon, text } from "./dom.js";
import { live } from "./live.js";
import { who } from "./session.js";

/** @typedef {import("./api.js").Camera} Camera */

/**
 * @typedef {object} Place where a camera is reached
 * @property {string} id
 * @property {string} stream
 * @property {string} snapshot
 */

/**
 * Each program's facts are those of docs/clients.
 * @type {{name: string, hint: string, text: (at: Place) => string}[]}
 */
export const programs = [
  { name: "VLC", hint: "Or: Media, Open Network Stream, with the stream's address.", text: ({ stream }) => `vlc --network-caching=200 '${stream}'` },
  { name: "ffmpeg", hint: "Looks, and records without encoding again.", text: ({ id, stream }) => `ffplay -fflags nobuffer -f mpjpeg '${stream}'\nffmpeg -use_wallclock_as_timestamps 1 -f mpjpeg -i '${stream}' -c copy ${id}.mkv` },
  { name: "mpv", hint: "Without these options it falls behind.", text: ({ stream }) => `mpv --profile=low-latency --untimed '${stream}'` },
  { name: "GStreamer", hint: "", text: ({ stream }) => `gst-launch-1.0 souphttpsrc location='${stream}' is-live=true ! multipartdemux single-stream=true ! jpegdec ! videoconvert ! autovideosink sync=false` },
  {
    name: "OpenCV", hint: "Python. FFmpeg is the backend that opens streams by address.",
    text: ({ stream }) => `import cv2\n\ncamera = cv2.VideoCapture("${stream}", cv2.CAP_FFMPEG)\nwhile True:\n    ok, picture = camera.read()\n    if not ok:\n        break\n    cv2.imshow("camera", picture)\n    if cv2.waitKey(1) == 27:\n        break`,
  },
  { name: "Home Assistant", hint: "Settings, Devices & services, Add integration, MJPEG IP Camera; then these two.", text: ({ stream, snapshot }) => `MJPEG URL: ${stream}\nStill image URL: ${snapshot}` },
  {
    name: "Frigate", hint: "Its recordings have to be H.264: its own go2rtc makes them.",
    text: ({ id, stream }) => `go2rtc:\n  streams:\n    ${id}: ffmpeg:${stream}#video=h264\ncameras:\n  ${id}:\n    ffmpeg:\n      inputs:\n        - path: rtsp://127.0.0.1:8554/${id}\n          input_args: preset-rtsp-restream\n          roles: [detect, record]`,
  },
  { name: "go2rtc", hint: "Gives RTSP, WebRTC and more.", text: ({ id, stream }) => `streams:\n  ${id}: ${stream}` },
  { name: "OctoPrint", hint: "Settings, Classic Webcam.", text: ({ stream, snapshot }) => `Stream URL: ${stream}\nSnapshot URL: ${snapshot}` },
  { name: "Mainsail", hint: "In moonraker.conf; Fluidd reads it too.", text: ({ id, stream, snapshot }) => `[webcam ${id}]\nservice: mjpegstreamer-adaptive\nstream_url: ${stream}\nsnapshot_url: ${snapshot}` },
  { name: "Blynk", hint: "URL of the Video Streaming widget. The phone has to reach this address.", text: ({ stream }) => stream },
  { name: "Web page", hint: "", text: ({ id, stream }) => `<img src="${stream}" alt="${id}">` },
  { name: "curl", hint: "One picture into a file.", text: ({ id, snapshot }) => `curl -o ${id}.jpg '${snapshot}'` },
];

/**
 * copier is a button that copies what it is told, and says so.
 * @param {string} what
 * @param {() => string} value
 */
function copier(what, value) {
  const words = h("span", {}, "Copy");
  const copied = async () => {
    text(words, (await copy(value())) ? "Copied" : "Select and copy it");
    setTimeout(() => text(words, "Copy"), 2000);
  };
  return h("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, onclick: copied }, icon("copy"), words);
}

export class Snippets {
  #id;
  #off;
  #words = "";
  /** @type {{stream: string, snapshot: string} | undefined} */
  #urls;

  /** @param {string} id */
  constructor(id) {
    this.#id = id;
    this.#urls = live.camera(id)?.urls;
    this.element = h("div", { class: "connect" });
    this.#off = who.changed.on(() => this.#fill());
    this.#fill();
  }

  #fill() {
    const id = this.#id;
    const stream = new URL(this.#urls?.stream ?? streamAddress(id), document.baseURI).href;
    const snapshot = new URL(this.#urls?.snapshot ?? snapshotAddress(id), document.baseURI).href;
    const place = { id, stream, snapshot };
    this.element.replaceChildren(
      this.#address("Stream", stream), this.#address("Snapshot", snapshot), this.#address("This view", location.href),
      who.links ? h("p", { class: "connect-note connect-link" }, h("button", { type: "button", class: "copy", onclick: () => this.#link() }, "Make a link for players"),
        " ", h("span", { role: "status" }, this.#words)) : "",
      h("h2", {}, "Programs"),
      ...programs.map(({ name, hint, text: words }, i) => this.#program(name, hint, words(place), i === 0)),
      h("p", { class: "connect-note" }, `Add ${stream.includes("?") ? "&" : "?"}fps=5 to the stream's address for fewer pictures, ${stream.includes("?") ? "&" : "?"}mode=all for every one.`));
    if (["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) {
      this.element.prepend(h("p", { class: "connect-note" }, "This page was opened on the gateway itself. Other machines need its name or address in place of ", h("code", {}, location.hostname), "."));
    }
  }

  /** Players that have no place for a password get addresses that need none, for a day. */
  async #link() {
    try {
      const { stream, snapshot, until } = await makeLink(this.#id);
      this.#urls = { stream, snapshot };
      this.#words = `Whoever has these addresses may watch until ${new Date(until * 1000).toLocaleString()}.`;
    } catch (error) {
      this.#words = error instanceof Error ? error.message : String(error);
    }
    this.#fill();
  }

  /** @param {string} name @param {string} address */
  #address(name, address) {
    return h("div", { class: "address" }, h("span", { class: "address-name" }, name), h("a", { href: address }, address), copier(`the address: ${name}`, () => address));
  }

  /** @param {string} name @param {string} hint @param {string} code @param {boolean} open */
  #program(name, hint, code, open) {
    return h("details", { class: "program", name: "program", open },
      h("summary", {}, name),
      hint && h("p", {}, hint),
      h("div", { class: "code" }, h("pre", { tabindex: 0, "aria-label": name }, code), copier(`for ${name}`, () => code)));
  }

  /** @param {Camera} _camera */
  update(_camera) {}

  close() {
    this.#off();
  }
}
