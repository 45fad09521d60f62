/** alertmanager.yml and the template files it names: watched; a bad file keeps what held and says what is wrong. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../kernel/errors.js";
import { SECOND } from "../kernel/time.js";
import { formatYaml } from "../platform/format-yaml.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import { PolicyFile } from "../platform/policy-file.js";
import type { Clock } from "../platform/system.js";
import type { NotificationConfig } from "./domain/config.js";
import { type NoticeTexts, readTexts, type TemplateFile } from "./domain/notice-texts.js";
import { readConfig } from "./domain/read-config.js";
import { redactConfig } from "./domain/redact-config.js";

export interface ConfigFileOptions {
  readonly path: string;
  readonly externalUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is in force: one object until it changes. */
export interface InForce {
  readonly config: NotificationConfig;
  readonly texts: NoticeTexts;
  readonly original: string;
}

interface Loaded {
  readonly config: NotificationConfig;
  readonly original: string;
}

/** Template files, and bytes of one, that are read at most. */
const FILES_MAX = 200;
const FILE_BYTES_MAX = 1024 * 1024;

export class ConfigFile {
  readonly loop: Loop;
  readonly #file: PolicyFile<Loaded | undefined>;
  readonly #options: ConfigFileOptions;
  #inForce: InForce | undefined;
  #loaded: Loaded | undefined;
  #templateStamp = "";
  #templateFaults: readonly string[] = [];

  constructor(options: ConfigFileOptions) {
    this.#options = options;
    this.#file = new PolicyFile<Loaded | undefined>({
      path: options.path,
      initial: undefined,
      parse: ({ value, lineOf }) => {
        const read = readConfig(value, lineOf);
        if ("faults" in read) return { faults: read.faults };
        return { value: { config: read.value, original: formatYaml(redactConfig(value)) } };
      },
      clock: options.clock,
      logger: options.logger,
    });
    this.loop = new Loop({
      name: `file ${options.path}`,
      interval: 2 * SECOND,
      clock: options.clock,
      logger: options.logger,
      run: () => this.load(),
    });
  }

  /** Undefined until a good file was read. */
  get inForce(): InForce | undefined {
    return this.#inForce;
  }

  /** Why the files as they are now are not, or not wholly, in force. */
  get faults(): readonly string[] {
    const warnings = this.#loaded?.config.warnings ?? [];
    return [
      ...this.#file.faults,
      ...this.#templateFaults,
      ...warnings.map((warning) => `${this.#options.path}:${warning}`),
    ];
  }

  /** Paths in the file are meant from where the file is. */
  resolvePath(path: string): string {
    return resolve(dirname(this.#options.path), path);
  }

  async load(): Promise<void> {
    await this.#file.load();
    const loaded = this.#file.current;
    if (loaded === undefined) return;
    const { paths, stamp, faults } = await this.#findTemplates(loaded.config.templatePaths);
    if (loaded === this.#loaded && stamp === this.#templateStamp) return;
    const changed = loaded !== this.#loaded;
    this.#loaded = loaded;
    this.#templateStamp = stamp;
    const read = await this.#readTemplates(paths, faults);
    if ("faults" in read) {
      this.#refuse(read.faults);
      // A new file with bad templates is not put in force by halves.
      return;
    }
    this.#templateFaults = [];
    this.#inForce = { config: loaded.config, original: loaded.original, texts: read.value };
    if (changed) {
      for (const warning of loaded.config.warnings)
        this.#options.logger.warn("the notification file asks for what is not built", { warning });
    }
  }

  #refuse(faults: readonly string[]): void {
    this.#templateFaults = faults;
    this.#options.logger.error("templates of notices are not in force; the last good ones stay", {
      faults: faults.join("; ").slice(0, 2_000),
    });
  }

  async #findTemplates(
    patterns: readonly string[],
  ): Promise<{ paths: readonly string[]; stamp: string; faults: readonly string[] }> {
    const paths: string[] = [];
    const stamps: string[] = [];
    const faults: string[] = [];
    for (const pattern of patterns) {
      try {
        for (const path of await expand(this.resolvePath(pattern))) {
          const { mtimeMs, size, ino } = await stat(path);
          paths.push(path);
          stamps.push(`${path}/${mtimeMs}/${size}/${ino}`);
        }
      } catch (error) {
        faults.push(`${pattern}: ${messageOf(error)}`);
        stamps.push(`${pattern} ${messageOf(error)}`);
      }
    }
    return { paths, stamp: stamps.join("\n"), faults };
  }

  async #readTemplates(paths: readonly string[], found: readonly string[]) {
    const faults = [...found];
    if (paths.length > FILES_MAX) faults.push(`${paths.length} template files, at most ${FILES_MAX}`);
    if (faults.length > 0) return { faults };
    const files: TemplateFile[] = [];
    for (const path of paths) {
      const text = await readFile(path, "utf8");
      if (text.length > FILE_BYTES_MAX) return { faults: [`${path}: longer than ${FILE_BYTES_MAX} bytes`] };
      files.push({ path, text });
    }
    return readTexts(files, this.#options.externalUrl);
  }
}

/** The files that a path with `*`, `?` in its last part names. */
async function expand(path: string): Promise<readonly string[]> {
  const pattern = basename(path);
  if (!/[*?]/.test(pattern)) return [path];
  const folder = dirname(path);
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const name = new RegExp(`^${escaped.replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}$`);
  const names = await readdir(folder);
  return names
    .filter((found) => name.test(found))
    .sort()
    .map((found) => join(folder, found));
}
