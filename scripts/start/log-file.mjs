import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** One file is kept besides the one that is written to. */
export const logBytesMax = 20 * 1024 * 1024;

/**
 * A log file that does not grow without bound: full, it becomes `<path>.1` in the place of the one before.
 * A log that cannot be written (a full disk) must not stop the program it is about: such lines are lost.
 */
export class LogFile {
  /**
   * @param {string} path
   * @param {number} [bytesMax]
   */
  constructor(path, bytesMax = logBytesMax) {
    this.path = path;
    this.bytesMax = bytesMax;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#open();
  }

  /** @type {number | undefined} */
  #file;
  #bytes = 0;

  #open() {
    this.#file = openSync(this.path, "a", 0o600);
    this.#bytes = statSync(this.path).size;
  }

  /** @param {Buffer} data */
  write(data) {
    try {
      if (this.#file === undefined) this.#open();
      if (this.#bytes + data.length > this.bytesMax && this.#bytes > 0) {
        this.close();
        renameSync(this.path, `${this.path}.1`);
        this.#open();
      }
      if (this.#file !== undefined) this.#bytes += writeSync(this.#file, data);
    } catch {
      // See above: lost, and the program goes on.
    }
  }

  close() {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
