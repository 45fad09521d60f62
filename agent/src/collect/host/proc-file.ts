import { closeSync, openSync, readSync } from "node:fs";

/** What a kernel file may be at most; /proc/stat of a machine with 1,000 CPUs and its interrupts is about 200 KB. */
const BYTES_MAX = 4 * 1024 * 1024;

/**
 * A file of /proc or /sys that is read again and again: the descriptor and the buffer are kept, because opening costs
 * three times the reading. The kernel makes the text anew for each read at offset 0.
 *
 * Reading is synchronous on purpose: these files are memory, not disks; a read takes 5 to 30 µs, a trip through the
 * thread pool 100.
 *
 * Texts are taken as strings and cut with `split`, though that makes garbage: the agent reads four times a minute, which
 * is too seldom for the compiler to help, and cutting is native code. Walking the bytes in JavaScript was tried: the
 * whole host took 0.96 ms a reading so, and 0.43 when compiled, which an agent never is.
 */
export class ProcFile {
  readonly path: string;
  readonly #oneRead: boolean;
  #fd: number | undefined;
  #buffer: Buffer;

  /** `oneRead`: the kernel gives the whole text in the first read when the buffer is large enough; for lists it does not. */
  constructor(path: string, bytesExpected = 4_096, kind: "oneRead" | "list" = "list") {
    this.path = path;
    this.#oneRead = kind === "oneRead";
    this.#buffer = Buffer.allocUnsafeSlow(bytesExpected);
  }

  /** The kept buffer; valid up to what `read` answered, until the next `read`. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** The whole text, byte for character. Throws as `read` does. */
  text(): string {
    const length = this.read();
    return this.#buffer.toString("latin1", 0, length);
  }

  /** Reads the whole text and answers with its length in bytes. Throws what the system says when it cannot be read. */
  read(): number {
    this.#fd ??= openSync(this.path, "r");
    try {
      let length = 0;
      for (;;) {
        const got = readSync(this.#fd, this.#buffer, length, this.#buffer.length - length, length);
        length += got;
        if (length === this.#buffer.length) this.#grow();
        else if (got === 0 || this.#oneRead) return length;
      }
    } catch (error) {
      // A device that went and came back has another file behind the same path.
      this.close();
      throw error;
    }
  }

  /** Gives the descriptor back; the next read opens anew. */
  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  #grow(): void {
    const { length } = this.#buffer;
    if (length >= BYTES_MAX)
      throw new Error(`read ${this.path}: more than ${BYTES_MAX} bytes, expected less`);
    const wider = Buffer.allocUnsafeSlow(length * 2);
    this.#buffer.copy(wider);
    this.#buffer = wider;
  }
}

/** A number of a kernel text; NaN where there is none. `Number` alone takes an empty text for 0. */
export function kernelNumber(word: string | undefined): number {
  return word === undefined || word === "" ? Number.NaN : Number(word);
}
