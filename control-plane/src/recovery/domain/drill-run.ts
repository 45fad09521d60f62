/** One run of a drill, from when it was begun to its score. At most one is open in the whole house. */
import type { Actor } from "../../kernel/actor.js";
import type { Instant } from "../../kernel/time.js";
import type { DrillKind } from "./drill.js";
import type { RestoreReport } from "./restore-report.js";

/** `open` may have been asked for already: then `reference` names the request or command. The others are ends. */
export type DrillRunState = "open" | "passed" | "failed" | "aborted";

export interface DrillRun {
  readonly id: string;
  readonly drill: string;
  readonly component: string;
  readonly kind: DrillKind;
  readonly begunBy: Actor;
  readonly reason: string;
  readonly begunAt: Instant;
  /** What it may touch, in words: told when it was begun. */
  readonly reach: string;
  /** The moment that a restore is to; undefined: the newest. */
  readonly to: string | undefined;
  readonly state: DrillRunState;
  /** Of the failover request or the command that it is; empty before that was asked for. */
  readonly reference: string;
  /** Somebody wants it called off, and why; empty otherwise. */
  readonly abortBecause: string;
  readonly because: string;
  readonly score: number;
  /** Of a restore that came so far. */
  readonly report: RestoreReport | undefined;
  readonly endedAt: Instant | undefined;
}
