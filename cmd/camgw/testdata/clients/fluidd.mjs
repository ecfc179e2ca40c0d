// Reads a stream by the rules of Fluidd: the boundary is whatever stands behind "boundary=" up to a semicolon; a part is complete when the next
// boundary is there, and all from its empty line up to that is handed to the decoder, which stops at the JPEG's end.
// Usage: fluidd.mjs ADDRESS COUNT. Says the SHA-256 of each picture.
import { createHash } from "node:crypto";

const [address, count] = [process.argv[2], Number(process.argv[3])];
const response = await fetch(address, { mode: "cors" });
const type = response.headers.get("content-type") ?? "";
const boundary = /boundary=([^;]+)/.exec(type)?.[1];
if (!response.ok || !type.includes("multipart") || !boundary) throw new Error(`status ${response.status}, ${type}`);
const mark = Buffer.from(`--${boundary}`);

let held = Buffer.alloc(0);
let drawn = 0;
for await (const piece of response.body) {
  held = Buffer.concat([held, piece]);
  for (;;) {
    const begin = held.indexOf(mark);
    const end = begin < 0 ? -1 : held.indexOf(mark, begin + mark.length);
    if (end < 0) break;
    const header = held.indexOf("\r\n\r\n", begin);
    if (header >= 0 && header < end) {
      const part = held.subarray(header + 4, end);
      const picture = part.subarray(0, part.lastIndexOf(Buffer.from([0xff, 0xd9])) + 2);
      if (part.length - picture.length > 2) throw new Error(`${part.length - picture.length} bytes after a picture`);
      console.log(createHash("sha256").update(picture).digest("hex"));
      if (++drawn === count) process.exit(0);
    }
    held = held.subarray(end);
  }
}
throw new Error(`the stream ended after ${drawn} pictures`);
