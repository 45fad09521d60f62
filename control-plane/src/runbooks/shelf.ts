/**
 * The runbooks in force: YAML files, watched. A file that is bad keeps its last good text in force and says what is
 * wrong; files that appear and go are noticed. What is wrong between files (a runbook that is not there, a cycle, a name
 * twice) keeps only the runbook out that has it.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { messageOf } from "../kernel/errors.js";
import { SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import { type Clock, sha256Hex } from "../platform/system.js";
import { parseYamlText } from "../platform/yaml-text.js";
import { checkRunbook, type Remark } from "./domain/check-runbook.js";
import { type LineOf, parseRunbook, type Runbook } from "./domain/runbook.js";

export interface ShelvedRunbook {
  readonly path: string;
  readonly text: string;
  /** SHA-256, hex. */
  readonly digest: string;
  readonly book: Runbook;
  readonly warnings: readonly string[];
}

interface Read {
  readonly path: string;
  readonly text: string;
  readonly book: Runbook;
  readonly lineOf: LineOf;
}

/** Longer files are no runbooks. */
export const TEXT_BYTES_MAX = 256 * 1024;
const FILES_MAX = 500;

/** A text as a runbook, or its faults as `path:line: message`. */
export function readRunbookText(
  path: string,
  text: string,
): { readonly value: Read } | { readonly faults: readonly string[] } {
  if (text.length > TEXT_BYTES_MAX)
    return { faults: [`${path}:1: the text has ${text.length} characters, at most ${TEXT_BYTES_MAX}`] };
  return parseYamlText<Read>(path, text, ({ value, lineOf }) => {
    const parsed = parseRunbook(value, lineOf);
    return "faults" in parsed ? parsed : { value: { path, text, book: parsed.value, lineOf } };
  });
}

const told = (path: string, { line, message }: Remark): string => `${path}:${line}: ${message}`;

/** The good ones of many, checked against each other; and what is wrong with the others. */
export function shelve(read: readonly Read[]): {
  readonly books: ReadonlyMap<string, ShelvedRunbook>;
  readonly faults: readonly string[];
} {
  const faults: string[] = [];
  let good = new Map<string, Read>();
  for (const one of read) {
    const first = good.get(one.book.name);
    if (first === undefined) good.set(one.book.name, one);
    else
      faults.push(
        `${one.path}:${one.lineOf(["name"])}: there is a runbook "${one.book.name}" already, in ${first.path}`,
      );
  }
  // A runbook that goes may take those with it that contain it: until none goes.
  for (;;) {
    const others = new Map([...good].map(([name, { book }]) => [name, book]));
    const remarks = [...good.values()].map((one) => ({
      one,
      remarks: checkRunbook(one.book, { others, lineOf: one.lineOf }),
    }));
    const bad = remarks.filter((checked) => checked.remarks.some(({ severity }) => severity === "fault"));
    if (bad.length === 0) {
      const books = remarks.map(({ one: { path, text, book }, remarks: said }): [string, ShelvedRunbook] => [
        book.name,
        { path, text, book, digest: sha256Hex(text), warnings: said.map((remark) => told(path, remark)) },
      ]);
      return { books: new Map(books.sort(([a], [b]) => (a < b ? -1 : 1))), faults };
    }
    for (const { one, remarks: said } of bad)
      faults.push(
        ...said.filter(({ severity }) => severity === "fault").map((remark) => told(one.path, remark)),
      );
    good = new Map([...good].filter(([name]) => !bad.some(({ one }) => one.book.name === name)));
  }
}

export interface ShelfOptions {
  /** Files, and folders whose `.yaml` and `.yml` files are meant. */
  readonly paths: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Shelf {
  readonly loop: Loop;
  readonly #options: ShelfOptions;
  readonly #files = new Map<
    string,
    { readonly stamp: string; readonly good: Read | undefined; readonly faults: readonly string[] }
  >();
  #books: ReadonlyMap<string, ShelvedRunbook> = new Map();
  #faults: readonly string[] = [];

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.loop = new Loop({
      name: "runbooks.files",
      interval: 2 * SECOND,
      clock: options.clock,
      logger: options.logger,
      run: () => this.load(),
    });
  }

  /** In force, by name. */
  get books(): ReadonlyMap<string, ShelvedRunbook> {
    return this.#books;
  }

  /** Why files as they are now are not in force. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** The runbooks alone, for those that contain others. */
  get plain(): ReadonlyMap<string, Runbook> {
    return new Map([...this.#books].map(([name, { book }]) => [name, book]));
  }

  async load(): Promise<void> {
    const missing: string[] = [];
    const paths = await this.#paths(missing);
    let changed = false;
    for (const path of this.#files.keys())
      if (!paths.includes(path)) changed = this.#files.delete(path) || changed;
    for (const path of paths) changed = (await this.#read(path)) || changed;
    const faultsBefore = this.#faults.join("\n");
    if (changed || this.#books.size === 0) {
      const files = [...this.#files.values()];
      const shelved = shelve(files.flatMap(({ good }) => (good === undefined ? [] : [good])));
      this.#books = shelved.books;
      this.#faults = [...missing, ...files.flatMap(({ faults }) => faults), ...shelved.faults];
    }
    if (changed)
      this.#options.logger.info("runbooks are in force", { runbooks: [...this.#books.keys()].join(" ") });
    if (this.#faults.length > 0 && this.#faults.join("\n") !== faultsBefore)
      for (const fault of this.#faults)
        this.#options.logger.warn("a runbook as it is now is not in force", { fault });
  }

  async #paths(missing: string[]): Promise<readonly string[]> {
    const found: string[] = [];
    for (const path of this.#options.paths) {
      try {
        if (!(await stat(path)).isDirectory()) found.push(path);
        else
          for (const name of (await readdir(path)).sort())
            if ([".yaml", ".yml"].includes(extname(name))) found.push(join(path, name));
      } catch (error) {
        missing.push(`${path}:1: ${messageOf(error)}`);
      }
    }
    return found.slice(0, FILES_MAX);
  }

  /** Reads a file if it has changed; answers whether it had. */
  async #read(path: string): Promise<boolean> {
    const known = this.#files.get(path);
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const stamp = `${mtimeMs}/${size}/${ino}`;
      if (known?.stamp === stamp) return false;
      const read = readRunbookText(path, await readFile(path, "utf8"));
      this.#files.set(
        path,
        "faults" in read
          ? { stamp, good: known?.good, faults: read.faults }
          : { stamp, good: read.value, faults: [] },
      );
    } catch (error) {
      const faults = [`${path}:1: ${messageOf(error)}`];
      if (known?.faults.join() === faults.join()) return false;
      this.#files.set(path, { stamp: "", good: known?.good, faults });
    }
    return true;
  }
}
