/** The rule files in force: watched; a bad file keeps its last good groups and says what is wrong. */
import type { Logger } from "../platform/logger.js";
import { PolicyFile } from "../platform/policy-file.js";
import type { Clock } from "../platform/system.js";
import { parseRuleFile, type RuleGroup } from "./domain/rule.js";

export interface RuleFilesOptions {
  readonly paths: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of all groups whenever any file's changed. */
  readonly changed: (groups: readonly RuleGroup[]) => Promise<void>;
}

export class RuleFiles {
  readonly #files: readonly PolicyFile<readonly RuleGroup[]>[];
  readonly #options: RuleFilesOptions;
  #loaded = false;

  constructor(options: RuleFilesOptions) {
    this.#options = options;
    this.#files = options.paths.map(
      (path) =>
        new PolicyFile<readonly RuleGroup[]>({
          path,
          initial: [],
          parse: ({ asWritten, lineOf }) => parseRuleFile(path, asWritten(), lineOf),
          clock: options.clock,
          logger: options.logger,
          changed: () => {
            if (this.#loaded) void this.#tell();
          },
        }),
    );
  }

  /** Reads all files once, then watches them. */
  async start(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.load()));
    this.#loaded = true;
    await this.#tell();
    for (const file of this.#files) file.loop.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.loop.stop()));
  }

  /** Reads all files now; answers why files as they are now are not in force. */
  async reload(): Promise<readonly string[]> {
    await Promise.all(this.#files.map((file) => file.load()));
    return this.faults();
  }

  /** Why files as they are now are not in force, each with path and line. */
  faults(): readonly string[] {
    return this.#files.flatMap((file) => file.faults);
  }

  async #tell(): Promise<void> {
    try {
      await this.#options.changed(this.#files.flatMap((file) => file.current));
    } catch (error) {
      this.#options.logger.error("changed rules could not be put in force", {}, error);
    }
  }
}
