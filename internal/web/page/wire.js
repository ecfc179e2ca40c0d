// The header of a picture on the WebSocket (docs/websocket.md).

/**
 * @typedef {object} Picture
 * @property {number} channel
 * @property {number} sequence
 * @property {boolean} again not a new picture
 * @property {number} taken in milliseconds since 1970, by the gateway's clock; 0: unknown
 * @property {number} received likewise
 * @property {number} sent likewise
 * @property {number} width
 * @property {number} height
 * @property {number} skipped since the one before
 * @property {Blob} jpeg
 */

/**
 * parsePicture takes a binary message apart; null: it is none that this page understands.
 * @param {ArrayBuffer} message
 * @returns {Picture | null}
 */
export function parsePicture(message) {
  if (message.byteLength < 48) return null;
  const header = new DataView(message);
  const length = header.getUint16(2, true);
  if (header.getUint8(0) !== 1 || length < 48 || length > message.byteLength) return null;
  /** @param {number} offset */
  const u64 = (offset) => Number(header.getBigUint64(offset, true));
  return {
    channel: header.getUint32(4, true),
    sequence: u64(8),
    again: (header.getUint8(1) & 1) !== 0,
    taken: u64(16) / 1000,
    received: u64(24) / 1000,
    sent: u64(32) / 1000,
    width: header.getUint16(40, true),
    height: header.getUint16(42, true),
    skipped: header.getUint32(44, true),
    jpeg: new Blob([new Uint8Array(message, length)], { type: "image/jpeg" }),
  };
}
