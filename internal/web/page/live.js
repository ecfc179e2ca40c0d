// What the page knows of the gateway, from whichever way of telling works: the WebSocket, or asking each second.

import { readCameras } from "./api.js";
import { again, lapsed } from "./session.js";
import { Plain } from "./plain.js";
import { Signal } from "./signal.js";
import { Socket } from "./socket.js";

/** @typedef {import("./api.js").Camera} Camera */

const barredAfter = 3;        // tries that failed while the gateway answered otherwise
const hideAfter = 10000;      // ms; a tab that nobody sees lets the cameras rest
const askEvery = 1000;        // ms

class Live {
  /** @type {Camera[]} */
  cameras = [];
  /** Until the first answer nothing is known, not even that there is trouble. */
  known = false;
  connected = false;
  /**
   * "socket", or "plain" where WebSockets do not get through.
   * @type {"socket" | "plain"}
   */
  way = "socket";
  /** Somebody may be looking. */
  watched = true;
  version = "";

  /**
   * The cameras, or whether the gateway answers, have changed.
   * @type {Signal<void>}
   */
  changed = new Signal();
  /**
   * The way or watched has changed: pictures have to be asked for anew.
   * @type {Signal<void>}
   */
  rerouted = new Signal();

  plain = new Plain();
  #everOpened = false;
  #asking = false;

  constructor() {
    const address = new URL("api/v1/ws", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new Socket(address.href, {
      opened: () => {
        this.#everOpened = true;
        if (this.way === "plain") this.#take("socket");
      },
      closed: (tries) => this.#closed(tries),
      cameras: (cameras) => this.#news(cameras),
      hello: (server) => { this.version = server; },
    });
  }

  start() {
    this.socket.start();
    let hiding = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(() => this.#watch(false), hideAfter);
      else this.#watch(true);
    });
    addEventListener("online", () => this.socket.hurry());
    addEventListener("pageshow", () => this.socket.hurry());
  }

  /** @param {string} id or the MAC address of its device, without colons */
  camera(id) {
    return this.cameras.find((camera) => camera.id === id) ?? this.cameras.find((camera) => camera.device?.mac.replaceAll(":", "") === id);
  }

  /** @param {boolean} watched */
  #watch(watched) {
    if (watched === this.watched) return;
    this.watched = watched;
    this.socket.watch(watched ? 1 : 30);
    if (watched) this.socket.hurry();
    this.rerouted.emit();
  }

  /** @param {Camera[]} cameras */
  #news(cameras) {
    const back = !this.connected && this.known;
    this.cameras = cameras;
    this.known = this.connected = true;
    if (back && this.way === "plain") this.plain.again();
    this.changed.emit();
  }

  #gone() {
    if (!this.connected && this.known) return;
    this.connected = false;
    this.known = true;
    this.changed.emit();
  }

  /** @param {"socket" | "plain"} way */
  #take(way) {
    this.way = way;
    this.rerouted.emit();
  }

  /** @param {number} tries */
  async #closed(tries) {
    if (this.way === "plain") return;
    if (tries > 1) this.#gone();
    // Is it the gateway that is away, or only the WebSocket that does not get through?
    try {
      const { cameras, version } = await readCameras();
      if (this.socket.open) return;
      if (!this.#everOpened && tries >= 2 || tries >= barredAfter) {
        this.version = version;
        this.#take("plain");
        this.#news(cameras);
        this.#ask();
      }
    } catch (error) {
      if (lapsed(error)) again();
      this.#gone();
    }
  }

  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    while (this.way === "plain") {
      const turn = new Promise((resolve) => setTimeout(resolve, askEvery));
      if (this.watched) {
        try {
          this.#news((await readCameras()).cameras);
        } catch (error) {
          if (lapsed(error)) again();
          this.#gone();
        }
      }
      await turn;
    }
    this.#asking = false;
  }
}

export const live = new Live();
