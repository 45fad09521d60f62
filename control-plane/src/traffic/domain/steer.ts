/** A steering: one target's traffic sent to one destination, asked for by a person or following something's new owner. */
import type { Actor } from "../../kernel/actor.js";
import { type Duration, type Instant, MINUTE } from "../../kernel/time.js";

export type SteerState =
  | "waiting-for-approval"
  /** For whoever leads to take up. */
  | "waiting"
  /** It has an epoch and is being done. */
  | "steering"
  /** Whoever sends it says that it goes there; clients may still hold the old. */
  | "moving"
  /** All of these are ends. */
  | "moved"
  | "refused"
  | "failed"
  /** Another began later. */
  | "superseded"
  | "lapsed";

/** What a steering follows. */
export interface SteerOrigin {
  /** Such as `cluster:main`. */
  readonly name: string;
  /** Of the decision. A lower one of the same name is refused. */
  readonly epoch: number;
}

export interface Steer {
  readonly id: string;
  readonly target: string;
  readonly to: string;
  readonly origin: SteerOrigin | undefined;
  readonly reason: string;
  readonly requestedBy: Actor;
  readonly requestedAt: Instant;
  readonly state: SteerState;
  readonly because: string;
  readonly decidedBy: Actor | undefined;
  readonly planHash: string;
  readonly begun: SteerBegun | undefined;
  readonly steeredAt: Instant | undefined;
  readonly endedAt: Instant | undefined;
}

export interface SteerBegun {
  /** Of the target; no two steerings have the same. */
  readonly epoch: number;
  readonly from: readonly string[];
  /** How long clients may keep what they were told before. */
  readonly hold: Duration;
  readonly at: Instant;
}

/** What a person asked and nobody took up is not what they would ask now. */
export const STEER_LAPSES_AFTER: Duration = 15 * MINUTE;

/** When the last client has moved, if nothing else keeps it; undefined before it was steered. */
export const allMovedAt = ({ begun, steeredAt }: Steer): Instant | undefined =>
  begun === undefined || steeredAt === undefined ? undefined : steeredAt + begun.hold;
