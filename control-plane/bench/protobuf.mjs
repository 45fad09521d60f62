/** Protocol Buffers and snappy by hand, as far as remote write needs them: what is sent must not cost more than it has to. */

export function varint(value) {
  const bytes = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** A field of bytes. */
export const field = (number, bytes) => Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);

/** The block format, in plain literals: nothing has to be compressed, and less be decompressed. */
export function snappy(bytes) {
  const parts = [varint(bytes.length)];
  for (let at = 0; at < bytes.length; at += 65_536) {
    const piece = bytes.subarray(at, at + 65_536);
    const length = piece.length - 1;
    parts.push(Buffer.from([61 << 2, length & 255, length >>> 8]), piece);
  }
  return Buffer.concat(parts);
}
