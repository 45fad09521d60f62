/** Answers on a pipe, written together when several are ready: a system call for each costs as much as the call. */
import { Writable } from "node:stream";

/**
 * What is written while the last write is under way goes out with the next one; the first of a row goes at once. Errors
 * of the pipe are its own.
 */
export class GatheredOutput extends Writable {
  readonly #output: Writable;

  constructor(output: Writable) {
    super({ decodeStrings: false });
    this.#output = output;
    output.once("error", (error) => this.destroy(error));
  }

  override _write(
    chunk: string | Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#send(chunk, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: string | Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#send(chunks.map(({ chunk }) => String(chunk)).join(""), done);
  }

  #send(text: string | Buffer, done: (error?: Error | null) => void): void {
    const more = this.#output.write(text);
    // After what is ready now has been answered, too.
    if (more) setImmediate(done);
    else this.#output.once("drain", () => done());
  }
}
