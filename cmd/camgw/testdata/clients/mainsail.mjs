// Reads a stream by the rules of Mainsail's mjpegstreamer: text up to the first two bytes of a JPEG is the part's header, which has
// to say its length; so many bytes are the picture; the byte after it completes it. The two bytes must come in one piece.
// Usage: mainsail.mjs ADDRESS COUNT. Says the SHA-256 of each picture.
import { createHash } from "node:crypto";

const [address, count] = [new URL(process.argv[2]), Number(process.argv[3])];
address.searchParams.append("timestamp", String(Date.now()));
const response = await fetch(address, { mode: "cors" });
if (!response.ok) throw new Error(`status ${response.status}`);

let header = "";
let picture = null;
let filled = 0;
let drawn = 0;
for await (const piece of response.body) {
  for (let i = 0; i < piece.length; i++) {
    if (piece[i] === 0xff && piece[i + 1] === 0xd8) {
      const length = header.split("\n").map((line) => line.split(":")).filter(([name]) => name.toLowerCase() === "content-length").at(-1)?.[1];
      picture = new Uint8Array(Number(length));
      filled = 0;
    }
    if (!picture) {
      header += String.fromCharCode(piece[i]);
    } else if (filled < picture.length) {
      picture[filled++] = piece[i];
    } else {
      console.log(createHash("sha256").update(picture).digest("hex"));
      if (++drawn === count) process.exit(0);
      picture = null;
      header = "";
    }
  }
}
throw new Error(`the stream ended after ${drawn} pictures`);
