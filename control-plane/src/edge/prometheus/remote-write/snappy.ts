/**
 * Snappy's block format (google/snappy, format_description.txt), in which Prometheus' remote protocols wrap their messages.
 * What comes in is hostile: every length is checked before it is used.
 */
import { OpsError } from "../../../kernel/errors.js";

/** Longest literal that is written in one piece. */
const LITERAL_MAX = 65_536;

const damaged = (what: string): OpsError =>
  new OpsError("INVALID_ARGUMENT", `snappy: corrupt input: ${what}`);

/**
 * What was packed. Throws INVALID_ARGUMENT for what is no block, and when it would unpack to more than `bytesMax`, before
 * room for it is made.
 */
export function unpackSnappy(packed: Uint8Array, bytesMax: number): Uint8Array {
  const end = packed.length;
  let at = 0;
  let size = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = packed[at++];
    if (byte === undefined || factor > 0x10000000) throw damaged("no length");
    size += (byte & 127) * factor;
    if (byte < 128) break;
  }
  if (size > bytesMax) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `snappy: decoded block of ${size} bytes is too large, at most ${bytesMax}`,
    );
  }
  const out = Buffer.allocUnsafe(size);
  let to = 0;
  while (at < end) {
    const tag = packed[at++] as number;
    let length: number;
    let offset: number;
    switch (tag & 3) {
      case 0: {
        length = (tag >> 2) + 1;
        if (length > 60) {
          const bytes = length - 60;
          if (at + bytes > end) throw damaged("a length is cut off");
          length = 1;
          for (let index = 0, factor = 1; index < bytes; index++, factor *= 256) {
            length += (packed[at + index] as number) * factor;
          }
          at += bytes;
        }
        if (at + length > end || to + length > size) throw damaged("a literal is too long");
        if (length < 24)
          for (let index = 0; index < length; index++) out[to + index] = packed[at + index] as number;
        else out.set(packed.subarray(at, at + length), to);
        at += length;
        to += length;
        continue;
      }
      case 1:
        if (at + 1 > end) throw damaged("a copy is cut off");
        length = ((tag >> 2) & 7) + 4;
        offset = ((tag >> 5) << 8) | (packed[at] as number);
        at += 1;
        break;
      case 2:
        if (at + 2 > end) throw damaged("a copy is cut off");
        length = (tag >> 2) + 1;
        offset = (packed[at] as number) | ((packed[at + 1] as number) << 8);
        at += 2;
        break;
      default:
        if (at + 4 > end) throw damaged("a copy is cut off");
        length = (tag >> 2) + 1;
        offset =
          (packed[at] as number) +
          (packed[at + 1] as number) * 0x100 +
          (packed[at + 2] as number) * 0x10000 +
          (packed[at + 3] as number) * 0x1000000;
        at += 4;
    }
    if (offset === 0 || offset > to) throw damaged("a copy from before the beginning");
    if (to + length > size) throw damaged("a copy is too long");
    // A copy may reach into what it is writing.
    for (let index = 0, from = to - offset; index < length; index++)
      out[to + index] = out[from + index] as number;
    to += length;
  }
  if (to !== size) throw damaged(`${to} bytes where ${size} were announced`);
  return out;
}

/** A block that any reader of the format takes; it is not made smaller. */
export function packSnappy(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  const header: number[] = [];
  let rest = bytes.length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) header.push((rest % 128) | 128);
  header.push(rest);
  parts.push(Uint8Array.from(header));
  for (let at = 0; at < bytes.length; at += LITERAL_MAX) {
    const piece = bytes.subarray(at, at + LITERAL_MAX);
    const last = piece.length - 1;
    parts.push(Uint8Array.of(61 << 2, last & 255, last >>> 8), piece);
  }
  return Buffer.concat(parts);
}
