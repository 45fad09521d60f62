/** A database as far as failover sees one: a log of writes, a role, and who takes the log from whom. */
import type { Epoch, Holders, Instant, Lsn } from "../words.js";

export type Mode = "down" | "standby" | "primary" | "draining";

export class Database {
  mode: Mode = "down";
  /** The writes in their order, each a number that is used once: the last one tells all before it. */
  log: number[] = [];
  /** Whom a standby takes its log from, as an index; -1 for nobody. */
  source = -1;
  /** The epoch that it was opened in. */
  epoch: Epoch = 0;
  holders: Holders | null = null;
  /** Until when the agent's process said last that it may run; Infinity when it has not said. */
  deadline: Instant = Number.POSITIVE_INFINITY;
  limit: Lsn = Number.POSITIVE_INFINITY;
  checkpointed = false;
  /** A checkpoint was missing when it joined and its log had parted: it will never stream. */
  stuck = false;
  /** As a primary: what it was told that others have. */
  flushed: Record<string, Lsn> = {};
  /** The run that the executor was last told, and whether its end was told. */
  run = 0;
  exitTold = false;
  killing = false;
  /** Rises whenever what was begun is of no account any more. */
  operation = 0;
  coverAt = 0;

  /** Its log is a beginning of the other's. */
  isPrefixOf(other: Database): boolean {
    const length = this.log.length;
    return length <= other.log.length && (length === 0 || this.log[length - 1] === other.log[length - 1]);
  }

  /** How far two logs are the same. */
  sharedWith(other: Database): number {
    let length = Math.min(this.log.length, other.log.length);
    while (length > 0 && this.log[length - 1] !== other.log[length - 1]) length -= 1;
    return length;
  }

  copyFrom(source: Database, count: number): void {
    const end = Math.min(source.log.length, this.log.length + count);
    for (let index = this.log.length; index < end; index += 1) this.log.push(source.log[index] ?? 0);
  }
}
