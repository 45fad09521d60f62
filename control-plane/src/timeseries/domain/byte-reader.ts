import { OpsError } from "../../kernel/errors.js";

/** The reading side of {@link ByteWriter}. Throws DATA_LOSS where the bytes end too soon or make no sense. */
export class ByteReader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number = 0,
    readonly end: number = bytes.length,
  ) {}

  byte(): number {
    if (this.at >= this.end) throw this.damaged("it ends too soon");
    return this.bytes[this.at++] as number;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw this.damaged("a number is longer than eight bytes");
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A view of the next `length` bytes. */
  take(length: number): Uint8Array {
    if (length > this.end - this.at) throw this.damaged("a length points beyond its end");
    const taken = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return taken;
  }

  damaged(because: string): OpsError {
    return new OpsError("DATA_LOSS", `read a chunk: damaged at byte ${this.at} of ${this.end}: ${because}`);
  }
}
