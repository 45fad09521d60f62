import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { Columns } from "../columns.js";
import type { CollectClock } from "../ports.js";
import type { Reading } from "../reading.js";
import { type MountTable, putFilesystem } from "./filesystem.js";

/** How many questions may hang at once. Each holds a thread of the pool, of which there are four at most. */
const HANGING_MAX = 2;

/**
 * Sizes of network and FUSE filesystems, which may never answer. They are asked through the thread pool, one after the
 * other, each within `timeoutMs`; one that hangs is reported as a device error and not asked again until the old
 * question returns. When two hang, the others are not asked either: the last threads are for the rest of the agent.
 */
export class RemoteFilesystems {
  readonly #columns = new Columns();
  readonly #hanging = new Set<string>();
  readonly #table: () => MountTable;
  readonly #clock: CollectClock;
  readonly #timeoutMs: number;
  readonly #ask: (path: string) => Promise<StatsFs>;

  constructor(
    table: () => MountTable,
    clock: CollectClock,
    timeoutMs: number,
    ask: (path: string) => Promise<StatsFs> = statfs,
  ) {
    this.#table = table;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#ask = ask;
  }

  /** Asks each remote filesystem once. Answers with nothing when there are none and were none. */
  async read(timestampMs: number): Promise<Reading[]> {
    for (const series of this.#table().mayHang) {
      putFilesystem(this.#columns, series, await this.#stats(series.mount.mountPoint));
    }
    return this.#columns.finish(timestampMs);
  }

  /** Mount points whose question has not returned. */
  get hanging(): readonly string[] {
    return [...this.#hanging];
  }

  async #stats(path: string): Promise<StatsFs | undefined> {
    if (this.#hanging.has(path) || this.#hanging.size >= HANGING_MAX) return undefined;
    this.#hanging.add(path);
    const answer = this.#ask(path)
      .catch(() => undefined)
      .finally(() => this.#hanging.delete(path));
    let cancel = (): void => {};
    const late = new Promise<undefined>((resolve) => {
      cancel = this.#clock.after(this.#timeoutMs, () => resolve(undefined));
    });
    const stats = await Promise.race([answer, late]);
    cancel();
    return stats;
  }
}
