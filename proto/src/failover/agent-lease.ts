/** A lease: what a voter grants, and how its owner gets it, keeps it and ends with it. */
import { grantMs } from "./agent-state.js";
import { type AgentTurn, command, keep, reportState, send, votesNeeded } from "./agent-turn.js";
import type { LeaseAnswer, LeaseRequest } from "./messages.js";
import { CONTROL_PLANE, type Epoch, type VoterId } from "./words.js";

/** As a voter: only to the epoch it promised. Who it is granted to was decided when the epoch was given. */
export function answerLeaseRequest(turn: AgentTurn, from: VoterId, request: LeaseRequest): void {
  const { state, policy, rules, now } = turn;
  if (request.epoch !== state.kept.promised) {
    turn.because = `${from} asked for the lease of ${request.epoch}, promised is ${state.kept.promised}`;
    send(turn, from, { kind: "lease-refused", promised: state.kept.promised });
    return;
  }
  state.grantUntil = Math.max(state.grantUntil, now + grantMs(policy, rules.margin));
  state.primaryHeardAt = now;
  turn.because = `${from} has the lease of the epoch that was promised`;
  send(turn, from, { kind: "lease-granted", epoch: request.epoch, round: request.round });
}

/** The epoch whose lease this node needs; null when it needs none. */
export function leaseNeeded(turn: AgentTurn): Epoch | null {
  const { asking, kept, database, draining, owed } = turn.state;
  if (asking !== null) return asking;
  if (database === "promoting") return owed === null ? kept.began : null;
  if (kept.role !== "primary" || owed !== null) return null;
  if (kept.promised !== kept.epoch || kept.surrendered >= kept.epoch) return null;
  const runs = database === "open" || database === "opening";
  return runs || draining !== null ? kept.epoch : null;
}

/** Asks every other voter. What they answer counts from now. */
export function askForLease(turn: AgentTurn, epoch: Epoch): void {
  const { state, policy, now } = turn;
  state.round += 1;
  state.roundSentAt = now;
  state.grantedBy = [state.node];
  state.renewAt = now + policy.renewMs;
  const request: LeaseRequest = { kind: "lease-request", epoch, round: state.round };
  for (const member of policy.members) {
    if (member !== state.node) send(turn, member, request);
  }
  send(turn, CONTROL_PLANE, request);
  countVotes(turn);
}

export function countGrant(
  turn: AgentTurn,
  from: VoterId,
  answer: Extract<LeaseAnswer, { kind: "lease-granted" }>,
): void {
  const { state } = turn;
  if (answer.epoch !== leaseNeeded(turn) || answer.round !== state.round) {
    turn.because = `${from} answers round ${answer.round} of epoch ${answer.epoch}, which is over`;
    return;
  }
  if (state.grantedBy.includes(from)) {
    turn.because = `${from} answered before`;
    return;
  }
  state.grantedBy = [...state.grantedBy, from];
  countVotes(turn);
}

/** A majority in one round is a lease from when that round was asked for. */
function countVotes(turn: AgentTurn): void {
  const { state, policy, rules, now } = turn;
  if (state.grantedBy.length < votesNeeded(turn)) {
    turn.because = `${state.grantedBy.length} of ${votesNeeded(turn)} votes`;
    return;
  }
  const until = (rules.leaseFromSend ? state.roundSentAt : now) + policy.leaseMs;
  turn.because = "a majority granted the lease";
  if (until <= state.leaseUntil || until <= now) return;
  state.leaseUntil = until;
  if (state.asking !== null) beginPromotion(turn, state.asking);
  else turn.effects.push({ kind: "deadline", at: until });
}

/** The journal first: what was begun in an epoch is never begun again in it. */
function beginPromotion(turn: AgentTurn, epoch: Epoch): void {
  const { state } = turn;
  state.asking = null;
  state.database = "promoting";
  keep(turn, { began: epoch, following: null });
  turn.effects.push({ kind: "deadline", at: state.leaseUntil });
  command(turn, { kind: "promote", epoch, deadline: state.leaseUntil });
  turn.because = `has the lease of ${epoch}: promotes`;
}

const needsLease = new Set(["open", "opening", "promoting"]);

/** Ends what may run only with a lease when there is none. The guard does the same, and needs no agent for it. */
export function fenceWithoutLease(turn: AgentTurn): void {
  const { state, now } = turn;
  if (!needsLease.has(state.database) || now < state.leaseUntil) return;
  state.database = "stopping";
  command(turn, { kind: "kill" });
  turn.because = "the lease has run out: fences itself";
  reportState(turn);
}
