/**
 * RC2 in CBC mode, decrypting only (RFC 2268). OpenSSL 3 left it out of its default provider, and half of the keystores
 * that are about to expire were written with it: 40-bit RC2 was the default of OpenSSL 1 and of Java up to 16.
 */

const BLOCK_BYTES = 8;

/** The plain text of `data`, padding taken off. Undefined when the padding is wrong, which is what a wrong key gives. */
export function decryptRc2Cbc(
  key: Buffer,
  effectiveBits: number,
  iv: Buffer,
  data: Buffer,
): Buffer | undefined {
  if (data.length === 0 || data.length % BLOCK_BYTES !== 0) return undefined;
  const words = expandKey(key, effectiveBits);
  const plain = Buffer.alloc(data.length);
  let previous = iv;
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    decryptBlock(words, data, plain, at);
    for (let i = 0; i < BLOCK_BYTES; i++) plain[at + i] = (plain[at + i] as number) ^ (previous[i] as number);
    previous = data.subarray(at, at + BLOCK_BYTES);
  }
  const padding = plain[plain.length - 1] as number;
  if (padding < 1 || padding > BLOCK_BYTES) return undefined;
  if (plain.subarray(plain.length - padding).some((byte) => byte !== padding)) return undefined;
  return plain.subarray(0, plain.length - padding);
}

/** The 64 words of the key schedule. */
function expandKey(key: Buffer, effectiveBits: number): Uint16Array {
  const pi = PI_TABLE;
  const bytes = new Uint8Array(128);
  bytes.set(key);
  for (let i = key.length; i < 128; i++) {
    bytes[i] = pi[((bytes[i - 1] as number) + (bytes[i - key.length] as number)) & 0xff] as number;
  }
  const effectiveBytes = Math.ceil(effectiveBits / 8);
  const mask = 0xff >> (8 * effectiveBytes - effectiveBits);
  const first = 128 - effectiveBytes;
  bytes[first] = pi[(bytes[first] as number) & mask] as number;
  for (let i = first - 1; i >= 0; i--) {
    bytes[i] = pi[(bytes[i + 1] as number) ^ (bytes[i + effectiveBytes] as number)] as number;
  }
  const words = new Uint16Array(64);
  for (let i = 0; i < 64; i++) words[i] = (bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8);
  return words;
}

const ROTATIONS = [1, 2, 3, 5] as const;

function decryptBlock(words: Uint16Array, data: Buffer, plain: Buffer, at: number): void {
  const r = [0, 2, 4, 6].map((offset) => data.readUInt16LE(at + offset)) as [number, number, number, number];
  const word = (i: number): number => words[i & 63] as number;
  const register = (i: number): number => r[i & 3] as number;
  let next = 63;
  // Sixteen mixing rounds backwards, with a mashing round undone after the fifth and the eleventh.
  for (let round = 0; round < 16; round++) {
    for (let i = 3; i >= 0; i--) {
      const by = ROTATIONS[i] as number;
      const rotated = (register(i) >>> by) | (register(i) << (16 - by));
      const mixed = (register(i + 3) & register(i + 2)) + (~register(i + 3) & register(i + 1)) + word(next--);
      r[i] = (rotated - mixed) & 0xffff;
    }
    if (round === 4 || round === 10) {
      for (let i = 3; i >= 0; i--) r[i] = (register(i) - word(register(i + 3) & 63)) & 0xffff;
    }
  }
  for (const [i, value] of r.entries()) plain.writeUInt16LE(value, at + 2 * i);
}

/** The substitution table of RFC 2268, section 2: made from the digits of pi. */
const PI_TABLE = Buffer.from(
  "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2179a59f587b34f1361456d8d09817d32" +
    "bd8f40eb86b77b0bf09521225c6b4e8254d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626" +
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed708e8eade8052eef784aa72ac354d6a2a" +
    "961ad2715a1549744b9fd05e0418a4ecc2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731" +
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a90d38341bab33ffb0bb480c5fb9b1cd2e" +
    "c5f3db47e5a59c770aa62068fe7fc1ad",
  "hex",
);
