/**
 * Numbers by key, for millions of keys: of each only a digest of 128 bits is held, so that a series that is written from
 * afar costs 25 bytes here and not twice the length of its labels. That two of 2.5 million keys have the same digest is
 * less likely than one in 10^25; what it begins with is drawn anew at each start, so that it is hard to aim at.
 */

/** Words of a digest. */
const WORDS = 4;
const SLOTS_MIN = 1_024;
const EMPTY = 0;
/** A slot whose number was given up; searches go on behind it. */
const GIVEN_UP = -1;

/** What became of a number. */
const FREE = 0;
const OLD = 1;
const YOUNG = 2;

export class SeriesKeys {
  readonly #seed: number;
  /** Open addressing: number + 1. */
  #slots: Int32Array = new Int32Array(SLOTS_MIN);
  /** Slots that are not empty. */
  #taken = 0;
  #size = 0;
  /** By number. */
  #digests: Uint32Array = new Uint32Array(SLOTS_MIN * WORDS);
  #ages: Uint8Array = new Uint8Array(SLOTS_MIN);
  #end = 0;
  #free: number[] = [];
  /** The digest of the key asked for last. */
  readonly #asked = new Uint32Array(WORDS);

  /** @param seed a whole number of 32 bits */
  constructor(seed: number) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** The key's number, which is young again; undefined when it has none. */
  find(key: string): number | undefined {
    digest(key, this.#seed, this.#asked);
    const held = this.#slots[this.#slotOf(this.#asked, 0)] as number;
    if (held === EMPTY) return undefined;
    this.#ages[held - 1] = YOUNG;
    return held - 1;
  }

  /** A number for a key that has none. */
  add(key: string): number {
    if ((this.#taken + 1) * 2 > this.#slots.length) this.#rehash();
    digest(key, this.#seed, this.#asked);
    const number = this.#free.pop() ?? this.#end++;
    if (number >= this.#ages.length) this.#grow();
    this.#digests.set(this.#asked, number * WORDS);
    this.#ages[number] = YOUNG;
    this.#slots[this.#slotOf(this.#asked, 0)] = number + 1;
    this.#taken++;
    this.#size++;
    return number;
  }

  /** Forgets the key of a number. The number is not given out again before {@link giveBack}. Answers whether it had one. */
  forget(number: number): boolean {
    if ((this.#ages[number] ?? FREE) === FREE) return false;
    const slot = this.#slotOf(this.#digests, number * WORDS);
    this.#slots[slot] = GIVEN_UP;
    this.#ages[number] = FREE;
    this.#size--;
    return true;
  }

  /** The number, whose key was forgotten, may be given out again. */
  giveBack(number: number): void {
    this.#free.push(number);
  }

  /** Those that were not asked for since the last call are forgotten, and answered; the others begin to grow old. */
  age(): number[] {
    const forgotten: number[] = [];
    for (let number = 0; number < this.#end; number++) {
      if (this.#ages[number] === OLD && this.forget(number)) forgotten.push(number);
      else if (this.#ages[number] === YOUNG) this.#ages[number] = OLD;
    }
    if (forgotten.length > 0) this.#rehash();
    return forgotten;
  }

  /** Forgets everything; numbers begin at 0 again. */
  clear(): void {
    this.#slots = new Int32Array(SLOTS_MIN);
    this.#digests = new Uint32Array(SLOTS_MIN * WORDS);
    this.#ages = new Uint8Array(SLOTS_MIN);
    this.#taken = 0;
    this.#size = 0;
    this.#end = 0;
    this.#free = [];
  }

  /** The slot of the digest that begins at `from`, or the empty one where its search ends. */
  #slotOf(words: Uint32Array, from: number): number {
    const mask = this.#slots.length - 1;
    let slot = (words[from] as number) & mask;
    for (;;) {
      const held = this.#slots[slot] as number;
      if (held === EMPTY || (held > 0 && this.#isOf(held - 1, words, from))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isOf(number: number, words: Uint32Array, from: number): boolean {
    const at = number * WORDS;
    for (let word = 0; word < WORDS; word++)
      if (this.#digests[at + word] !== words[from + word]) return false;
    return true;
  }

  #grow(): void {
    // By half: what is let go of is as large as what there was.
    const room = Math.ceil(this.#ages.length * 1.5);
    const digests = new Uint32Array(room * WORDS);
    digests.set(this.#digests);
    const ages = new Uint8Array(room);
    ages.set(this.#ages);
    this.#digests = digests;
    this.#ages = ages;
  }

  #rehash(): void {
    let length = SLOTS_MIN;
    while (length < (this.#size + 1) * 4) length *= 2;
    this.#slots = new Int32Array(length);
    this.#taken = this.#size;
    const mask = length - 1;
    for (let number = 0; number < this.#end; number++) {
      if (this.#ages[number] === FREE) continue;
      let slot = (this.#digests[number * WORDS] as number) & mask;
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

/** Four lanes of multiplication and rotation over the text's units, mixed with each other at the end. */
function digest(key: string, seed: number, into: Uint32Array): void {
  let a = seed ^ 0x9e3779b1;
  let b = Math.imul(seed, 0x85ebca6b) ^ 0x7feb352d;
  let c = Math.imul(seed, 0xc2b2ae35) ^ 0x2c1b3c6d;
  let d = Math.imul(seed, 0x27d4eb2f) ^ 0x297a2d39;
  for (let at = 0; at < key.length; at++) {
    const unit = key.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    a ^= a >>> 15;
    b = Math.imul(b ^ unit, 0x85ebca6b);
    b ^= b >>> 13;
    c = Math.imul(c ^ unit, 0xc2b2ae35);
    c ^= c >>> 16;
    d = Math.imul(d ^ unit, 0x27d4eb2f);
    d ^= d >>> 14;
  }
  a = finished(a ^ key.length);
  b = finished(b ^ a);
  c = finished(c ^ b);
  d = finished(d ^ c);
  into[0] = a;
  into[1] = b;
  into[2] = c;
  into[3] = d;
}

function finished(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
