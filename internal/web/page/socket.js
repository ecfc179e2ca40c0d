// One WebSocket for everything: it is opened again when it ends, and whoever was subscribed still is.

import { parsePicture } from "./wire.js";

/** @typedef {import("./wire.js").Picture} Picture */
/** @typedef {import("./api.js").Camera} Camera */

const underWay = 2;           // pictures on their way that are not shown yet, at most
const patience = 10000;       // ms without any message while news are due each second: the connection is dead
const waits = [300, 1000, 2000, 4000, 8000]; // ms before each further try

/**
 * @typedef {object} Sink where the pictures of one subscription go. It must acknowledge each, or one after it.
 * @property {(picture: Picture, subscription: Subscription) => void} picture
 * @property {(reason: string, detail: string) => void} ended the gateway ended it; it is asked for again
 *
 * @typedef {object} Events
 * @property {() => void} opened
 * @property {(tries: number, nextTry: number) => void} closed nextTry: ms from now
 * @property {(cameras: Camera[]) => void} cameras
 * @property {(server: string) => void} hello
 */

export class Subscription {
  /**
   * @param {Socket} socket
   * @param {number} channel
   * @param {string} camera
   * @param {number} fps 0: as many as there are
   * @param {Sink} sink
   */
  constructor(socket, channel, camera, fps, sink) {
    this.socket = socket;
    this.channel = channel;
    this.camera = camera;
    this.fps = fps;
    this.sink = sink;
    this.retry = 0;
  }

  /** @param {number} fps */
  rate(fps) {
    if (fps === this.fps) return;
    this.fps = fps;
    this.ask();
  }

  ask() {
    this.socket.send({ type: "subscribe", channel: this.channel, camera: this.camera, fps: this.fps || undefined, window: underWay });
  }

  /** @param {number} sequence */
  ack(sequence) {
    this.socket.send({ type: "ack", channel: this.channel, sequence });
  }

  close() {
    this.socket.drop(this);
  }
}

export class Socket {
  /** @type {Map<number, Subscription>} */
  #subscriptions = new Map();
  /** @type {WebSocket | null} */
  #ws = null;
  #channel = 0;
  #tries = 0;
  #timer = 0;
  #watchdog = 0;
  #heard = 0;
  #interval = 1;
  #running = false;

  /**
   * @param {string} address
   * @param {Events} events
   */
  constructor(address, events) {
    this.address = address;
    this.events = events;
  }

  start() {
    this.#running = true;
    this.#open();
    this.#watchdog = setInterval(() => {
      if (this.open && this.#interval <= 1 && performance.now() - this.#heard > patience) this.#lost();
    }, 2000);
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watchdog);
    this.#ws?.close();
    this.#ws = null;
  }

  get open() {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  /** hurry tries again now rather than later. */
  hurry() {
    if (!this.#running || this.#ws) return;
    clearTimeout(this.#timer);
    this.#open();
  }

  /**
   * watch sets how often figures come, in seconds.
   * @param {number} interval
   */
  watch(interval) {
    if (interval === this.#interval) return;
    this.#interval = interval;
    this.#heard = performance.now();
    this.send({ type: "watch", interval });
  }

  /**
   * @param {string} camera
   * @param {number} fps
   * @param {Sink} sink
   */
  subscribe(camera, fps, sink) {
    do this.#channel = (this.#channel % 65535) + 1; while (this.#subscriptions.has(this.#channel));
    const subscription = new Subscription(this, this.#channel, camera, fps, sink);
    this.#subscriptions.set(subscription.channel, subscription);
    subscription.ask();
    return subscription;
  }

  /** @param {Subscription} subscription */
  drop(subscription) {
    clearTimeout(subscription.retry);
    if (this.#subscriptions.delete(subscription.channel)) this.send({ type: "unsubscribe", channel: subscription.channel });
  }

  /**
   * send says something if there is a connection. What must be known is said anew on the next.
   * @param {object} message
   */
  send(message) {
    if (this.open) this.#ws?.send(JSON.stringify(message));
  }

  #open() {
    const ws = new WebSocket(this.address);
    this.#ws = ws;
    ws.binaryType = "arraybuffer";
    ws.onopen = () => {
      this.#tries = 0;
      this.#heard = performance.now();
      this.send({ type: "watch", interval: this.#interval });
      for (const subscription of this.#subscriptions.values()) subscription.ask();
      this.events.opened();
    };
    ws.onmessage = ({ data }) => {
      this.#heard = performance.now();
      if (data instanceof ArrayBuffer) this.#picture(data);
      else this.#news(JSON.parse(data));
    };
    ws.onclose = () => {
      if (ws === this.#ws) this.#lost();
    };
  }

  #lost() {
    const ws = this.#ws;
    this.#ws = null;
    if (ws) {
      ws.onopen = ws.onmessage = ws.onclose = null;
      ws.close();
    }
    if (!this.#running) return;
    const wait = waits[Math.min(this.#tries++, waits.length - 1)] * (0.8 + 0.4 * Math.random());
    this.#timer = setTimeout(() => this.#open(), wait);
    this.events.closed(this.#tries, wait);
  }

  /** @param {ArrayBuffer} message */
  #picture(message) {
    const picture = parsePicture(message);
    if (!picture) return;
    const subscription = this.#subscriptions.get(picture.channel);
    if (subscription) subscription.sink.picture(picture, subscription);
  }

  /** @param {any} message */
  #news(message) {
    const subscription = this.#subscriptions.get(message.channel);
    switch (message.type) {
      case "hello":
        this.events.hello(message.server ?? "");
        break;
      case "cameras":
        this.events.cameras(message.cameras);
        break;
      case "ended":
        if (!subscription || message.reason === "unsubscribed") break;
        subscription.sink.ended(message.reason, message.detail ?? "");
        clearTimeout(subscription.retry);
        subscription.retry = setTimeout(() => subscription.ask(), 3000);
        break;
      case "error":
        subscription?.sink.ended("error", message.detail ?? "");
        break;
    }
  }
}
