/**
 * A YAML file under someone's hand: loaded, parsed, watched; a bad edit keeps the last good content and says what is wrong.
 */
import { readFile, stat } from "node:fs/promises";
import { messageOf } from "../kernel/errors.js";
import { type Duration, SECOND } from "../kernel/time.js";
import type { Logger } from "./logger.js";
import { Loop } from "./loop.js";
import type { Clock } from "./system.js";
import { type FileContent, type ParsedContent, parseYamlText } from "./yaml-text.js";

export { type ContentPath, type FileContent, type ParsedContent, parseYamlText } from "./yaml-text.js";

export interface PolicyFileOptions<T> {
  readonly path: string;
  /** What holds until the file could be read for the first time. */
  readonly initial: T;
  /** Faults begin with their line: `12: message`. */
  readonly parse: (content: FileContent) => ParsedContent<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly interval?: Duration;
  /** Told of each new good content, the first too. */
  readonly changed?: (value: T) => void;
}

export class PolicyFile<T> {
  readonly #options: PolicyFileOptions<T>;
  readonly loop: Loop;
  #current: T;
  #faults: readonly string[] = [];
  #stamp = "";

  constructor(options: PolicyFileOptions<T>) {
    this.#options = options;
    this.#current = options.initial;
    this.loop = new Loop({
      name: `file ${options.path}`,
      interval: options.interval ?? 2 * SECOND,
      clock: options.clock,
      logger: options.logger,
      run: () => this.load(),
    });
  }

  /** The last good content. */
  get current(): T {
    return this.#current;
  }

  /** Why the file as it is now is not in force; empty when it is. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Reads the file if it has changed since it was last read. */
  async load(): Promise<void> {
    const { path, parse, logger, changed } = this.#options;
    let text: string;
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const stamp = `${mtimeMs}/${size}/${ino}`;
      if (stamp === this.#stamp) return;
      text = await readFile(path, "utf8");
      this.#stamp = stamp;
    } catch (error) {
      this.#refuse([`${path}: ${messageOf(error)}`]);
      return;
    }
    const parsed = parseYamlText(path, text, parse);
    if ("faults" in parsed) {
      this.#refuse(parsed.faults);
      return;
    }
    this.#faults = [];
    this.#current = parsed.value;
    logger.info("a policy file is in force", { path });
    changed?.(parsed.value);
  }

  #refuse(faults: readonly string[]): void {
    if (faults.join() === this.#faults.join()) return;
    this.#faults = faults;
    this.#options.logger.error("a policy file is not in force; the last good one stays", {
      faults: faults.join("; ").slice(0, 2_000),
    });
  }
}
