/** One step of the control plane in the making. Lives for one step. */
import type { Draft } from "./agent-turn.js";
import { applyRecord, refusalOf } from "./apply-record.js";
import type { ControlEffect, ControlState } from "./control-state.js";
import type { LogRecord } from "./decision.js";
import { freshState } from "./detect-loss.js";
import type { NodeState, Order } from "./messages.js";
import type { FailoverPolicy } from "./policy.js";
import type { Rules } from "./rules.js";
import type { Instant, NodeId } from "./words.js";

export interface ControlTurn {
  readonly policy: FailoverPolicy;
  readonly rules: Rules;
  readonly now: Instant;
  readonly state: Draft<ControlState>;
  readonly records: LogRecord[];
  readonly effects: ControlEffect[];
  /** Orders that were not answered are sent again in this step. */
  due: boolean;
  because: string;
}

type Unstamped<T> = T extends unknown ? Omit<T, "at"> : never;

/** Writes a record down; one that may not follow is not written, and a person is told. */
export function append(turn: ControlTurn, unstamped: Unstamped<LogRecord>): boolean {
  const record = { at: turn.now, ...unstamped } as LogRecord;
  const refusal = refusalOf(turn.state.kept, record);
  if (refusal !== null) {
    page(turn, `a record was refused: ${refusal}`);
    return false;
  }
  turn.state.kept = applyRecord(turn.state.kept, record);
  turn.records.push(record);
  turn.because = record.kind;
  turn.due = true;
  return true;
}

/** Tells a person, once for each reason. */
export function page(turn: ControlTurn, because: string): void {
  turn.because = because;
  if (turn.state.paged === because) return;
  turn.state.paged = because;
  turn.effects.push({
    kind: "page",
    epoch: turn.state.kept.decision?.epoch ?? turn.state.kept.taken,
    because,
  });
}

export const fresh = (turn: ControlTurn, node: NodeId): NodeState | null =>
  freshState(turn.policy, turn.state.seen, node, turn.now);

/** Sends an order; to who is out of sight, also by way of each member that is not. */
export function order(turn: ControlTurn, to: NodeId, message: Order): void {
  turn.effects.push({ kind: "send", to, message });
  if (!isInSight(turn, to)) relay(turn, to, message);
}

const isInSight = (turn: ControlTurn, member: NodeId): boolean =>
  turn.now - (turn.state.seen[member]?.directAt ?? Number.NEGATIVE_INFINITY) < turn.policy.silentMs;

function relay(turn: ControlTurn, to: NodeId, message: Order): void {
  for (const member of turn.policy.members) {
    if (member === to || !isInSight(turn, member)) continue;
    turn.effects.push({ kind: "send", to: member, message: { kind: "relay", to, message } });
  }
}

/**
 * Who is out of sight may be in another member's. What it is told by that way it answers by that way for a while, and it
 * is told what holds for everyone anyway, so nothing comes of it where it was known.
 */
export function seek(turn: ControlTurn): void {
  if (!turn.due) return;
  for (const member of turn.policy.members) {
    if (!isInSight(turn, member)) relay(turn, member, { kind: "promise", epoch: turn.state.kept.promised });
  }
}
