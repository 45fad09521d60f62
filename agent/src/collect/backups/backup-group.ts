import { lookAtRepository, type RepositoryView } from "../../backups/look.js";
import type { Repository } from "../../backups/repository.js";
import { reasonOf } from "../../log.js";
import type { RunProgram } from "../../run/process.js";
import { Columns } from "../columns.js";
import type { CollectGroup } from "../group.js";
import type { Say } from "../ports.js";
import type { Reading } from "../reading.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";

const MS_PER_SECOND = 1_000;

/**
 * What can be restored, by what each repository says, with `job="backups"`: up to when, on which evidence, and when a
 * backup of each type was last completed. One that cannot be read has `mainstay_backup_repository_up` 0 and no moment:
 * what is not known is not a number.
 */
export class BackupGroup implements CollectGroup {
  readonly name = "backups";
  readonly intervalMs: number;
  readonly #repositories: readonly Repository[];
  readonly #common: LabelSet;
  readonly #run: RunProgram;
  readonly #say: Say;
  readonly #columns = new Columns();
  readonly #series = new Map<string, Series>();
  /** What was said last of each repository: a fault is told when it comes and when it goes. */
  readonly #said = new Map<string, string>();

  constructor(
    settings: { readonly repositories: readonly Repository[]; readonly intervalMs: number },
    common: LabelSet,
    run: RunProgram,
    say: Say,
  ) {
    this.intervalMs = settings.intervalMs;
    this.#repositories = settings.repositories;
    this.#common = { ...common, job: "backups" };
    this.#run = run;
    this.#say = say;
  }

  async read(timestampMs: number): Promise<Reading[]> {
    // One after the other: they share a disk or a line, and nobody waits for them.
    for (const repository of this.#repositories) {
      try {
        const view = await lookAtRepository(repository, this.#run);
        this.#tell(repository, view.wrong);
        this.#putView(repository, view);
      } catch (error) {
        this.#tell(repository, reasonOf(error));
        this.#put(repository, "repository_up", 0);
      }
    }
    return this.#columns.finish(timestampMs);
  }

  close(): void {}

  #putView(repository: Repository, view: RepositoryView): void {
    this.#put(repository, "repository_up", view.wrong === "" ? 1 : 0);
    this.#put(repository, "backups", view.backups.length);
    this.#put(repository, "log_beyond_hole_segments", view.beyondHole);
    const { newestRestorable, archiver } = view;
    if (newestRestorable !== undefined) {
      const { at, evidence } = newestRestorable;
      this.#put(repository, "newest_restorable_timestamp_seconds", at / MS_PER_SECOND, { evidence });
    }
    const last = new Map(view.backups.map(({ type, endedAt }) => [type, endedAt]));
    for (const [type, endedAt] of last) {
      this.#put(repository, "last_completed_timestamp_seconds", endedAt / MS_PER_SECOND, { type });
    }
    if (archiver === undefined) return;
    this.#put(repository, "archive_waiting_segments", archiver.waiting);
    this.#put(repository, "archive_failed_total", archiver.failedCount);
  }

  #put({ name, component }: Repository, what: string, value: number, more: LabelSet = {}): void {
    const key = JSON.stringify([what, name, ...Object.values(more)]);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = makeSeries(`mainstay_backup_${what}`, { repository: name, component, ...more }, this.#common);
      this.#series.set(key, series);
    }
    this.#columns.put(series, value);
  }

  #tell({ name }: Repository, wrong: string): void {
    const because = wrong.slice(0, 500);
    if (because === (this.#said.get(name) ?? "")) return;
    this.#said.set(name, because);
    if (because === "") this.#say("info", "A backup repository can be read again", { repository: name });
    else
      this.#say("warn", "Something is wrong with a backup repository", {
        repository: name,
        because,
      });
  }
}
