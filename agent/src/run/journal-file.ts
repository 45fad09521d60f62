/**
 * An append-only file of checked lines: eight hex digits of CRC-32, a space, JSON. What was appended is durable before
 * the promise resolves; appends that come together share one sync. A torn or damaged line is left out, not the rest.
 */
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { readIfThere, syncDirectory } from "../identity/state-files.js";

interface Waiting {
  readonly lines: string;
  done(error?: unknown): void;
}

interface Replacement {
  readonly make: () => readonly unknown[];
  readonly over: Promise<void>;
  done(error?: unknown): void;
}

/** What was found when the file was opened. */
export interface JournalContent {
  readonly values: readonly unknown[];
  /** Lines that did not check. */
  readonly damagedLines: number;
}

/** Lines that are durable once they are appended. */
export type Lines = Pick<JournalFile, "bytes" | "append" | "replace" | "close">;

export class JournalFile {
  readonly #path: string;
  #file: FileHandle;
  #bytes: number;
  #waiting: Waiting[] = [];
  #replacing: Replacement | undefined;
  #working: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle, bytes: number) {
    this.#path = path;
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Opens or makes the file and reads what is in it. */
  static async open(path: string): Promise<{ readonly file: JournalFile; readonly content: JournalContent }> {
    const text = readIfThere(path) ?? "";
    const handle = await open(path, "a", 0o600);
    const file = new JournalFile(path, handle, Buffer.byteLength(text));
    // A torn last line must not swallow the first one that is appended now.
    if (text !== "" && !text.endsWith("\n")) await file.append([]);
    syncDirectory(dirname(path));
    return { file, content: read(text) };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends values, each as one line. Rejects when they could not be made durable. */
  append(values: readonly unknown[]): Promise<void> {
    const lines = values.length === 0 ? "\n" : values.map(encodeLine).join("");
    return new Promise((resolve, reject) => {
      this.#waiting.push({ lines, done: (error) => (error === undefined ? resolve() : reject(error)) });
      this.#work();
    });
  }

  /**
   * Replaces the whole content by what `make` answers. `make` is called when everything appended before is durable and
   * its promises have been followed up; what is appended meanwhile comes after.
   */
  replace(make: () => readonly unknown[]): Promise<void> {
    if (this.#replacing !== undefined) return this.#replacing.over;
    let settle: (error?: unknown) => void = () => undefined;
    const over = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.#replacing = { make, over, done: settle };
    this.#work();
    return over;
  }

  async close(): Promise<void> {
    await this.#working;
    await this.#file.close();
  }

  #work(): void {
    this.#working ??= this.#workAll().finally(() => {
      this.#working = undefined;
      if (this.#waiting.length > 0 || this.#replacing !== undefined) this.#work();
    });
  }

  async #workAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const error = await this.#writeWhole(Buffer.from(batch.map(({ lines }) => lines).join(""))).then(
        () => undefined,
        (thrown: unknown) => thrown ?? new Error("not written"),
      );
      for (const { done } of batch) done(error);
    }
    const replacement = this.#replacing;
    if (replacement === undefined) return;
    // Those who waited for the batches above get their turn first, so that `make` sees what they know.
    await new Promise((resolve) => setImmediate(resolve));
    const error = await this.#replaceBy(replacement.make()).then(
      () => undefined,
      (thrown: unknown) => thrown ?? new Error("not replaced"),
    );
    this.#replacing = undefined;
    replacement.done(error);
  }

  async #replaceBy(values: readonly unknown[]): Promise<void> {
    const draft = await open(`${this.#path}.new`, "w", 0o600);
    const text = values.map(encodeLine).join("");
    try {
      await draft.writeFile(text);
      await draft.sync();
    } finally {
      await draft.close();
    }
    const next = await open(`${this.#path}.new`, "a", 0o600);
    await rename(`${this.#path}.new`, this.#path);
    syncDirectory(dirname(this.#path));
    const before = this.#file;
    this.#file = next;
    this.#bytes = Buffer.byteLength(text);
    await before.close();
  }

  async #writeWhole(bytes: Buffer): Promise<void> {
    try {
      const { bytesWritten } = await this.#file.write(bytes);
      if (bytesWritten !== bytes.length)
        throw new Error(`${bytesWritten} of ${bytes.length} bytes written to ${this.#path}`);
      await this.#file.datasync();
      this.#bytes += bytes.length;
    } catch (error) {
      // Whatever half of it is there must not stand before the next line.
      await this.#file.truncate(this.#bytes).catch(() => undefined);
      throw error;
    }
  }
}

/** One line. */
export function encodeLine(value: unknown): string {
  const json = JSON.stringify(value);
  return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
}

function read(text: string): JournalContent {
  const values: unknown[] = [];
  let damagedLines = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const json = line.slice(9);
    if (line.slice(0, 8) !== crc32(json).toString(16).padStart(8, "0")) damagedLines++;
    else values.push(JSON.parse(json));
  }
  return { values, damagedLines };
}
