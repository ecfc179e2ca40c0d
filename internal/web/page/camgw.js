// Shows every camera of the gateway live, with its state refreshed each second.
//
// A browser opens at most six connections to one host. The first cameras get one each for their MJPEG stream; the
// others are shown by single pictures that take turns on one connection; the last one is for the state.

const streamLimit = 4;
const refreshEvery = 1000;   // ms
const renewEvery = 3600000;  // ms; browsers grow when a stream stays open for hours
const hideAfter = 10000;     // ms; a tab nobody sees lets the cameras rest

const main = document.getElementById("cameras");
const summary = document.getElementById("summary");
const template = document.getElementById("card");
const cards = new Map();     // by camera id, in order of the gateway

let reachable = true;
let watching = true;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const address = (id, file) => `cam/${encodeURIComponent(id)}/${file}`;

class Card {
  constructor(id, live) {
    this.id = id;
    this.live = live;
    this.failures = 0;
    this.retry = 0;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.image = this.element.querySelector("img");
    this.image.alt = `Camera ${id}`;
    const link = this.element.querySelector("a");
    link.href = address(id, "stream.mjpg");
    this.element.querySelector("h2").textContent = id;
    if (live) {
      this.image.addEventListener("error", () => this.again());
      this.image.addEventListener("load", () => { this.failures = 0; });
      this.open();
    }
  }

  // open starts the stream anew. The number keeps the browser from joining the old one.
  open() {
    clearTimeout(this.retry);
    if (!this.live || !watching) return;
    this.opened = Date.now();
    this.image.src = `${address(this.id, "stream.mjpg")}?t=${this.opened}`;
  }

  again() {
    if (!watching) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), Math.min(1000 * 2 ** this.failures++, 10000));
  }

  close() {
    clearTimeout(this.retry);
    this.image.removeAttribute("src");
  }

  show(camera) {
    const text = (selector, value) => {
      const element = this.element.querySelector(selector);
      if (element.textContent !== value) element.textContent = value;
    };
    const device = camera.device ?? {};
    text("h2", device.name && device.name !== camera.id ? `${device.name} (${camera.id})` : camera.id);
    text(".state", camera.state);
    this.element.querySelector(".state").dataset.state = camera.state;
    text(".reason", camera.cause === "none" ? "" : camera.reason || camera.cause.replaceAll("_", " "));
    const figures = [];
    if (camera.width) figures.push(`${camera.width} × ${camera.height}`);
    if (camera.state === "streaming") figures.push(`${camera.fps.toFixed(1)} fps`);
    figures.push(camera.viewers === 1 ? "1 viewer" : `${camera.viewers} viewers`);
    text(".figures", figures.join(" · "));
    const about = [device.board, device.sensor, camera.port, camera.baud ? `${camera.baud} baud` : ""];
    if (device.test_card) about.push("test card");
    text(".device", about.filter(Boolean).join(" · "));
    if (camera.width) this.element.querySelector(".picture").style.aspectRatio = `${camera.width} / ${camera.height}`;
    if (this.live && watching && Date.now() - this.opened > renewEvery) this.open();
  }
}

function arrange(cameras) {
  const wanted = new Set(cameras.map((camera) => camera.id));
  for (const [id, card] of cards) {
    if (wanted.has(id)) continue;
    card.close();
    card.element.remove();
    cards.delete(id);
  }
  if (cards.size === 0) main.replaceChildren();
  cameras.forEach((camera, index) => {
    let card = cards.get(camera.id);
    if (!card) {
      card = new Card(camera.id, index < streamLimit);
      cards.set(camera.id, card);
      main.append(card.element);
    }
    card.show(camera);
  });
  if (cameras.length === 0) {
    const note = document.createElement("p");
    note.className = "empty";
    note.textContent = "No camera is configured.";
    main.replaceChildren(note);
  }
}

async function refresh() {
  try {
    const answer = await fetch("api/v1/cameras", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.statusText);
    const { cameras, version } = await answer.json();
    arrange(cameras);
    const live = cameras.filter((camera) => camera.cause === "none" && ["streaming", "idle"].includes(camera.state));
    summary.textContent = `${live.length} of ${cameras.length} cameras online · ${version}`;
    // A stream that ended with the gateway does not start again by itself, and not every browser tells.
    if (!reachable) for (const card of cards.values()) card.open();
    reachable = true;
  } catch {
    reachable = false;
    summary.textContent = "The gateway does not answer. Trying again …";
  }
}

// poll shows the cameras beyond the stream limit, one picture after the other.
async function poll() {
  for (;;) {
    const turn = sleep(refreshEvery);
    for (const card of [...cards.values()]) {
      if (card.live || !watching) continue;
      try {
        const answer = await fetch(address(card.id, "snapshot.jpg"), { cache: "no-store", signal: AbortSignal.timeout(5000) });
        // An old picture must not pass for a live one.
        card.element.classList.toggle("stale", !answer.ok);
        if (!answer.ok) continue;
        const url = URL.createObjectURL(await answer.blob());
        card.image.src = url;
        await card.image.decode().catch(() => {});
        URL.revokeObjectURL(url);
      } catch {
        continue;
      }
    }
    await turn;
  }
}

let hiding = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      watching = false;
      for (const card of cards.values()) card.close();
    }, hideAfter);
  } else if (!watching) {
    watching = true;
    for (const card of cards.values()) card.open();
  }
});

poll();
for (;;) {
  const turn = sleep(refreshEvery);
  if (watching) await refresh();
  await turn;
}
