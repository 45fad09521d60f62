import { closeSync, openSync, readSync } from "node:fs";
import type { ByteCursor } from "./bytes.js";

/** What a kernel file may be at most; /proc/stat of a machine with 1,000 CPUs and its interrupts is about 200 KB. */
const BYTES_MAX = 4 * 1024 * 1024;

/**
 * A file of /proc or /sys that is read again and again: the descriptor and the buffer are kept, because opening costs
 * three times the reading. The kernel makes the text anew for each read at offset 0.
 *
 * Reading is synchronous on purpose: these files are memory, not disks; a read takes 5 to 30 µs, a trip through the
 * thread pool 100.
 */
export class ProcFile {
  readonly path: string;
  #fd: number | undefined;
  #buffer: Buffer;

  constructor(path: string, bytesExpected = 4_096) {
    this.path = path;
    this.#buffer = Buffer.allocUnsafeSlow(bytesExpected);
  }

  /** Reads the whole text and puts the cursor at its start; it is good until the next read. */
  readInto(cursor: ByteCursor): ByteCursor {
    const length = this.read();
    return cursor.reset(this.#buffer, length);
  }

  /** The kept buffer; valid up to what `read` answered, until the next `read`. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Reads the whole text and answers with its length in bytes. Throws what the system says when it cannot be read. */
  read(): number {
    this.#fd ??= openSync(this.path, "r");
    try {
      let length = 0;
      for (;;) {
        const got = readSync(this.#fd, this.#buffer, length, this.#buffer.length - length, length);
        if (got === 0) return length;
        length += got;
        if (length === this.#buffer.length) {
          if (length >= BYTES_MAX)
            throw new Error(`read ${this.path}: more than ${BYTES_MAX} bytes, expected less`);
          const wider = Buffer.allocUnsafeSlow(length * 2);
          this.#buffer.copy(wider, 0, 0, length);
          this.#buffer = wider;
        }
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
}
