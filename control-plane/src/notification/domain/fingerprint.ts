/**
 * Alertmanager's name of a label set: FNV-1a, 64 bits, over the sorted names and values in UTF-8, each ended by 0xff.
 * The 64 bits are kept in two halves: BigInt would cost twenty times as much.
 */
import { compareText, type Labels } from "../../kernel/labels.js";

const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
/** The prime is 2^40 + 0x1b3: the product is a shift by forty and a small multiple. */
const PRIME_LOW = 0x1b3;
const SEPARATOR = 0xff;
const HALF = 2 ** 32;

/** 16 lower-case hex digits; equal for equal label sets, whatever the order of their names. */
export function fingerprintOf(labels: Labels): string {
  let high = OFFSET_HIGH;
  let low = OFFSET_LOW;
  const byte = (value: number): void => {
    low = (low ^ value) >>> 0;
    const product = low * PRIME_LOW;
    high = (Math.imul(high, PRIME_LOW) + Math.floor(product / HALF) + (low << 8)) >>> 0;
    low = product % HALF;
  };
  const text = (value: string): void => {
    for (let at = 0; at < value.length; at++) {
      const point = value.codePointAt(at) as number;
      if (point > 0xffff) at++;
      eachByte(point, byte);
    }
    byte(SEPARATOR);
  };
  for (const name of Object.keys(labels).sort(compareText)) {
    text(name);
    text(labels[name] as string);
  }
  const hex = (half: number): string => half.toString(16).padStart(8, "0");
  return hex(high) + hex(low);
}

/** The bytes of one character in UTF-8; half a surrogate pair becomes U+FFFD, as everywhere. */
function eachByte(point: number, take: (byte: number) => void): void {
  const whole = point >= 0xd800 && point < 0xe000 ? 0xfffd : point;
  if (whole < 0x80) {
    take(whole);
    return;
  }
  if (whole < 0x800) take(0xc0 | (whole >> 6));
  else {
    if (whole < 0x10000) take(0xe0 | (whole >> 12));
    else {
      take(0xf0 | (whole >> 18));
      take(0x80 | ((whole >> 12) & 0x3f));
    }
    take(0x80 | ((whole >> 6) & 0x3f));
  }
  take(0x80 | (whole & 0x3f));
}
