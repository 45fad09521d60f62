/**
 * Reading kernel text in place. A cursor walks the buffer that the file was read into, so that a reading makes no
 * string per line and no array per line.
 */

const NEWLINE = 10;
const SPACE = 32;
const TAB = 9;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;
/** So many decimal digits always fit a double. */
const EXACT_DIGITS = 15;

/** A position in kernel text. All methods stop at the end of the line; `nextLine` passes it. */
export class ByteCursor {
  #bytes: Uint8Array = new Uint8Array(0);
  #text: Buffer = Buffer.alloc(0);
  #end = 0;
  #at = 0;

  /** Begins at the start of `bytes[0..length)`. */
  reset(bytes: Buffer, length: number): this {
    this.#bytes = bytes;
    this.#text = bytes;
    this.#end = length;
    this.#at = 0;
    return this;
  }

  /** Goes back to the start of the text. */
  rewind(): void {
    this.#at = 0;
  }

  /** Whether there is no more text. */
  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** The byte at the cursor, -1 at the end of the line or text. */
  get byte(): number {
    const byte = this.#at < this.#end ? (this.#bytes[this.#at] ?? NEWLINE) : NEWLINE;
    return byte === NEWLINE ? -1 : byte;
  }

  /** Moves to the first byte of the next line. */
  nextLine(): void {
    const newline = this.#text.indexOf(NEWLINE, this.#at);
    this.#at = newline < 0 || newline >= this.#end ? this.#end : newline + 1;
  }

  /** Passes spaces and tabs. */
  skipSpaces(): void {
    while (this.#at < this.#end && isBlank(this.#bytes[this.#at])) this.#at++;
  }

  /** Passes one byte. */
  skipByte(): void {
    if (this.byte >= 0) this.#at++;
  }

  /** Passes blanks and then the next word, `count` times. */
  skipWords(count: number): void {
    for (let i = 0; i < count; i++) {
      this.skipSpaces();
      while (this.byte >= 0 && !isBlank(this.byte)) this.#at++;
    }
  }

  /** The next word after blanks, ending before a blank, `stop` or the line's end. Empty when there is none. */
  word(stop = SPACE): string {
    this.skipSpaces();
    const from = this.#at;
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at] ?? NEWLINE;
      if (byte === NEWLINE || byte === stop || isBlank(byte)) break;
      this.#at++;
    }
    return this.#text.toString("latin1", from, this.#at);
  }

  /**
   * The next decimal number after blanks, with an optional sign and fraction. NaN when there is no digit. What a double
   * cannot hold comes out as the nearest one.
   */
  number(): number {
    this.skipSpaces();
    const bytes = this.#bytes;
    let at = this.#at;
    const negative = bytes[at] === MINUS && at < this.#end;
    if (negative) at++;
    let value = 0;
    let digits = 0;
    for (; at < this.#end; at++, digits++) {
      const digit = (bytes[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at < this.#end && bytes[at] === DOT) {
      // The fraction as an integer over a power of ten: 0.1 + 0.02 would not give the double that "0.12" names.
      let scale = 1;
      for (at++; at < this.#end; at++, digits++) {
        const digit = (bytes[at] ?? 0) - ZERO;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
        scale *= 10;
      }
      value /= scale;
    }
    if (digits === 0) return Number.NaN;
    // Above 2^53 each step would round; the text is rounded once.
    if (digits > EXACT_DIGITS) value = Math.abs(Number(this.#text.toString("latin1", this.#at, at)));
    this.#at = at;
    return negative ? -value : value;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}
