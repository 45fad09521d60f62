/**
 * The guard: the process that started the database and can end it. It knows one thing, until when the database may run,
 * and needs nobody to act on it. The kernel ends the guard with its agent and the database with its guard, by
 * `PR_SET_PDEATHSIG`, also when the one that is ended is stopped.
 */
import { type Rules, soundRules } from "./rules.js";
import type { Instant } from "./words.js";

export interface GuardState {
  /** 0: none yet, and nothing may run as a primary. Infinity: what runs is a replica. */
  readonly deadline: Instant;
  readonly killing: boolean;
}

export type GuardEvent =
  /** The agent has the lease until then, or starts a replica. */
  | { readonly kind: "deadline"; readonly at: Instant }
  /** The agent's end of the pipe was closed. */
  | { readonly kind: "agent-gone" }
  | { readonly kind: "database-gone" }
  | { readonly kind: "tick" };

export interface GuardStep {
  readonly state: GuardState;
  /** SIGQUIT, and SIGKILL when that has not helped: a fast shutdown waits for replicas that may be out of reach. */
  readonly kill: boolean;
  readonly because: string;
}

export const noDeadline: GuardState = { deadline: 0, killing: false };

/** Never throws. A deadline that has passed is not taken back by a later one: the kill is under way. */
export function stepGuard(
  state: GuardState,
  event: GuardEvent,
  now: Instant,
  rules: Rules = soundRules,
): GuardStep {
  const stay = (because: string): GuardStep => ({ state, kill: false, because });
  const kill = (because: string): GuardStep => ({ state: { ...state, killing: true }, kill: true, because });
  if (event.kind === "database-gone") {
    return { state: noDeadline, kill: false, because: "the database has ended" };
  }
  if (state.killing) return { state, kill: rules.guardKills, because: "it is being killed" };
  if (event.kind === "agent-gone") return kill("the agent has ended");
  if (event.kind === "deadline") {
    if (event.at <= now) return kill("the deadline has passed when it arrived");
    return { state: { ...state, deadline: event.at }, kill: false, because: "the lease was renewed" };
  }
  if (state.deadline === 0 || now < state.deadline) return stay("the deadline has not come");
  if (!rules.guardKills) return stay("the guard does not kill");
  return kill("the lease has run out");
}
