/** What the control plane does next in an open decision: one function for each phase, each of which may be done again. */
import { chooseCandidate, lossEstimate } from "./choose-candidate.js";
import { areLed, awaitHold, heldTooLong } from "./control-poolers.js";
import { append, type ControlTurn, fresh, order, page } from "./control-turn.js";
import type { Decision, Phase, PromiseEvidence } from "./decision.js";
import { detectLoss } from "./detect-loss.js";
import { poolersOf } from "./poolers.js";
import { proveFence } from "./prove-fence.js";
import type { Duration, Instant, NodeId } from "./words.js";

type Drive = (turn: ControlTurn, decision: Decision) => void;

/** Goes on until a phase has to wait. At most once through all of them. */
export function drive(turn: ControlTurn): void {
  for (let steps = 0; steps < 12; steps += 1) {
    const { decision } = turn.state.kept;
    if (decision === null) return;
    drives[decision.phase](turn, decision);
    const after = turn.state.kept.decision;
    if (after?.phase === decision.phase && after.epoch === decision.epoch) break;
  }
  if (turn.due) turn.state.retryAt = turn.now + turn.policy.retryMs;
}

const drives: Readonly<Record<Phase, Drive>> = {
  intended: begin,
  "awaiting-approval": awaitApproval,
  holding: holdClients,
  "stepping-down": stepDown,
  promising: choose,
  chosen: fence,
  fenced: promote,
  promoting: awaitPromotion,
  promoted: verify,
  verified: route,
  routed: (turn, decision) => close(turn, decision, "done"),
};

const within = (turn: ControlTurn, decision: Decision): Duration => turn.now - decision.phaseAt;
const evidenceOf = (turn: ControlTurn): readonly PromiseEvidence[] =>
  Object.values(turn.state.promises).map(({ grantEndsAt: _, ...evidence }) => evidence);

function abort(turn: ControlTurn, decision: Decision, because: string): void {
  append(turn, { kind: "aborted", epoch: decision.epoch, because });
}

function begin(turn: ControlTurn, decision: Decision): void {
  const { epoch, ask, approval } = decision;
  if (ask !== null && approval === null) {
    append(turn, { kind: "approval-asked", epoch, because: ask });
    page(turn, `${decision.kind} of ${decision.from} awaits approval: ${ask}`);
    return;
  }
  const poolers = poolersOf(turn.policy);
  if (decision.kind !== "switchover") append(turn, { kind: "promising", epoch });
  else if (poolers.length > 0) append(turn, { kind: "holding", epoch, poolers });
  else append(turn, { kind: "stepping-down", epoch });
}

/** Nothing was asked of the owner yet: when clients cannot be held, they go on, and so does it. */
function holdClients(turn: ControlTurn, decision: Decision): void {
  const { over } = awaitHold(turn, decision);
  if (over !== null) abort(turn, decision, over);
}

function awaitApproval(turn: ControlTurn, decision: Decision): void {
  const { policy, state, now } = turn;
  if (decision.approval !== null) {
    append(turn, { kind: "promising", epoch: decision.epoch });
    return;
  }
  const detection = detectLoss(policy, state.kept, state.seen, state.bootedAt, now);
  // Back, or closed and in reach: either way a failover is no longer what is best.
  if (detection.kind === "healthy" || fresh(turn, decision.from)?.role === "fenced") {
    abort(turn, decision, `${decision.from} is back while approval was awaited`);
    return;
  }
  if (within(turn, decision) > policy.approvalMs) {
    abort(turn, decision, "nobody approved it in time");
    return;
  }
  turn.because = `awaits approval: ${decision.ask}`;
}

function stepDown(turn: ControlTurn, decision: Decision): void {
  const { epoch, from } = decision;
  if (turn.state.stoppedAt !== null) {
    append(turn, { kind: "promising", epoch });
    return;
  }
  if (within(turn, decision) > turn.policy.stepDownMs) {
    callOff(turn, decision, `${from} did not stop`);
    return;
  }
  turn.because = `waits until ${from} has stopped`;
  if (turn.due) order(turn, from, { kind: "step-down", epoch });
}

/** Before anything was promised, so the owner goes on in its own epoch. */
export function callOff(turn: ControlTurn, decision: Decision, because: string): void {
  abort(turn, decision, because);
  order(turn, decision.from, { kind: "carry-on", epoch: decision.epoch });
}

function askPromises(turn: ControlTurn, decision: Decision): void {
  if (!turn.due) return;
  for (const member of turn.policy.members) {
    if (turn.state.promises[member] !== undefined) continue;
    order(turn, member, { kind: "promise", epoch: decision.epoch });
  }
}

function choose(turn: ControlTurn, decision: Decision): void {
  const { policy, rules, state } = turn;
  const tooLong = heldTooLong(turn, decision);
  if (tooLong !== null) {
    abort(turn, decision, tooLong);
    return;
  }
  askPromises(turn, decision);
  const choice = chooseCandidate(
    {
      members: policy.members,
      cluster: state.kept,
      decision,
      promises: evidenceOf(turn),
      awaited: policy.members.filter(
        (member) => state.promises[member] === undefined && fresh(turn, member) !== null,
      ),
      patienceIsOver: within(turn, decision) > policy.leaseMs,
    },
    rules,
  );
  if (choice.kind === "wait") {
    turn.because = choice.because;
    return;
  }
  if (choice.kind === "ask") {
    if (decision.ask !== choice.because) {
      append(turn, { kind: "approval-asked", epoch: decision.epoch, because: choice.because });
    }
    page(turn, `${decision.kind} of ${decision.from} awaits approval: ${choice.because}`);
    return;
  }
  const ownerLsn = state.seen[decision.from]?.state.lsn ?? null;
  append(turn, {
    kind: "chosen",
    epoch: decision.epoch,
    candidate: choice.candidate.node,
    lsn: choice.candidate.lsn,
    lossEstimate: lossEstimate(ownerLsn, choice.candidate),
    lossMs: lossAsTime(turn, decision, choice.candidate),
    proof: choice.proof,
    evidence: evidenceOf(turn),
  });
}

/** From what the candidate had of the owner until the owner was last heard open. */
function lossAsTime(turn: ControlTurn, { from }: Decision, candidate: PromiseEvidence): Duration | null {
  const owner = turn.state.seen[from];
  if (owner === undefined || owner.openAt === null) return null;
  if (candidate.node === from || candidate.lsn >= owner.state.lsn) return 0;
  const coveredAt = turn.state.seen[candidate.node]?.coveredAt ?? null;
  return coveredAt === null ? null : Math.max(0, owner.openAt - coveredAt);
}

function isSilent(turn: ControlTurn, node: NodeId, since: Instant): boolean {
  const heardAt = Math.max(turn.state.seen[node]?.at ?? 0, since, turn.state.bootedAt);
  return turn.now - heardAt > turn.policy.candidateSilentMs;
}

function fence(turn: ControlTurn, decision: Decision): void {
  const { policy, rules, state, now } = turn;
  const candidate = decision.candidate ?? decision.from;
  if (isSilent(turn, candidate, decision.phaseAt)) {
    abort(turn, decision, `${candidate} is silent, and another needs an epoch of its own`);
    return;
  }
  const tooLong = heldTooLong(turn, decision);
  if (tooLong !== null) {
    abort(turn, decision, tooLong);
    return;
  }
  askPromises(turn, decision);
  const promises = Object.values(state.promises);
  const grantsEndAt = promises.reduce(
    (latest, promise) => Math.max(latest, promise.grantEndsAt),
    state.grantUntil,
  );
  const proof = proveFence({ policy, cluster: state.kept, decision, promises, grantsEndAt }, now, rules);
  if (proof.kind === "wait") {
    turn.because = proof.because;
    return;
  }
  append(turn, {
    kind: "fenced",
    epoch: decision.epoch,
    proof: proof.proof,
    evidence: evidenceOf(turn),
  });
}

function promote(turn: ControlTurn, decision: Decision): void {
  const candidate = decision.candidate ?? decision.from;
  if (isSilent(turn, candidate, decision.phaseAt)) {
    abort(turn, decision, `${candidate} is silent, and another needs an epoch of its own`);
    return;
  }
  append(turn, { kind: "promoting", epoch: decision.epoch, candidate });
}

/** From here on only forward: the candidate may have opened, and nobody else is known to have what it has. */
function awaitPromotion(turn: ControlTurn, decision: Decision): void {
  const { primary } = turn.state.kept;
  turn.because = `waits until ${primary} is open in ${decision.epoch}`;
  if (turn.due) order(turn, primary, { kind: "promote", epoch: decision.epoch });
  if (isSilent(turn, primary, decision.phaseAt)) {
    page(turn, `${primary} was told to promote in ${decision.epoch} and is silent: it may have opened`);
  }
}

function verify(turn: ControlTurn, decision: Decision): void {
  if (isLostAgain(turn, decision)) {
    close(turn, decision, "lost-again");
    return;
  }
  turn.because = `waits for the probe and the checkpoint of ${turn.state.kept.primary}`;
  if (turn.due) order(turn, turn.state.kept.primary, { kind: "verify", epoch: decision.epoch });
}

function route(turn: ControlTurn, decision: Decision): void {
  if (isLostAgain(turn, decision)) {
    close(turn, decision, "lost-again");
    return;
  }
  turn.because = "waits until the traffic goes there";
  if (!areLed(turn, decision)) return;
  if (turn.due) turn.effects.push({ kind: "route", epoch: decision.epoch, to: turn.state.kept.primary });
}

function isLostAgain(turn: ControlTurn, decision: Decision): boolean {
  const { primary } = turn.state.kept;
  const state = fresh(turn, primary);
  const closed = state?.role === "fenced" && state.epoch === decision.epoch;
  return closed || isSilent(turn, primary, decision.phaseAt);
}

export function close(
  turn: ControlTurn,
  decision: Decision,
  outcome: "done" | "interrupted" | "lost-again",
): void {
  const { policy, now } = turn;
  append(turn, {
    kind: "closed",
    epoch: decision.epoch,
    outcome,
    tookMs: now - decision.startedAt,
    holdDownUntil:
      decision.kind === "failover" && decision.candidate !== decision.from ? now + policy.holdDownMs : 0,
  });
  if (outcome !== "done") page(turn, `${decision.kind} to ${turn.state.kept.primary} ended ${outcome}`);
}
