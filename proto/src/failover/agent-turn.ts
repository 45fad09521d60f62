/** One step of an agent in the making: a draft of the next state, and what is to be done. Lives for one step. */
import {
  type AgentEffect,
  type AgentKept,
  type AgentState,
  describe,
  type RunEffect,
} from "./agent-state.js";
import type { Message, Report } from "./messages.js";
import type { FailoverPolicy } from "./policy.js";
import type { Rules } from "./rules.js";
import { CONTROL_PLANE, type Instant, majorityOf, type VoterId } from "./words.js";

export type Draft<T> = { -readonly [K in keyof T]: T[K] };

export interface AgentTurn {
  readonly policy: FailoverPolicy;
  readonly rules: Rules;
  readonly now: Instant;
  readonly state: Draft<AgentState>;
  readonly effects: AgentEffect[];
  because: string;
}

export const keep = (turn: AgentTurn, change: Partial<AgentKept>): void => {
  turn.state.kept = { ...turn.state.kept, ...change };
};

/** Tells the executor to run something, or to end it; what it says of what it did before is stale from now on. */
export const command = (turn: AgentTurn, effect: RunEffect): void => {
  turn.state.run += 1;
  turn.effects.push({ ...effect, run: turn.state.run });
};

export const send = (turn: AgentTurn, to: VoterId, message: Message): void => {
  turn.effects.push({ kind: "send", to, message });
};

/** To the control plane; also the way round by which it was last heard of. */
export function report(turn: AgentTurn, message: Report): void {
  send(turn, CONTROL_PLANE, message);
  const { relay } = turn.state;
  if (relay !== null && turn.now < relay.until) {
    send(turn, relay.by, { kind: "relay", to: CONTROL_PLANE, message });
  }
}

/** How the node is, now instead of with the next beat. */
export function reportState(turn: AgentTurn): void {
  turn.state.reportAt = turn.now + turn.policy.reportMs;
  report(turn, describe(turn.policy, turn.state, turn.now));
}

/** The votes that make a lease. */
export const votesNeeded = (turn: AgentTurn): number =>
  turn.rules.leaseNeedsMajority ? majorityOf(turn.policy.members.length + 1) : 1;
