/**
 * What the control plane says to poolers. It follows from the decision log alone, so that it is the same after a crash; it
 * is said again until the pooler has said that it does. One that is told nothing any more lets its clients go on by itself.
 */
import { append, type ControlTurn, fresh, page } from "./control-turn.js";
import type { Decision, Phase } from "./decision.js";
import { freshPooler, type PoolerOrder, type PoolerReport, poolersOf } from "./poolers.js";
import type { Duration, Epoch, NodeId } from "./words.js";

/** How soon what runs has to end: who waits longer keeps everybody else waiting. */
const HOLD_WITHIN_MS: Duration = 5_000;
/** From the wish until somebody is told to promote: then the old owner goes on, and its clients with it. */
const HELD_MS_MAX: Duration = 20_000;
/** A promotion that takes longer than this is not waited for by held clients. */
const HELD_FORWARD_MS_MAX: Duration = 60_000;
/** A control plane that was killed is back before that. */
const LAPSE_MS: Duration = 10_000;
/** Who has not been led to the new owner by then is led there later, and a person is told. */
const LED_WITHIN_MS: Duration = 5_000;

const heldIn: readonly Phase[] = ["holding", "stepping-down", "promising", "chosen", "fenced", "promoting"];
const openIn: readonly Phase[] = ["promoted", "verified", "routed"];

/** What all of them are to do now; null when they are told nothing. */
function wishOf(turn: ControlTurn): Pick<PoolerOrder, "to" | "hold"> | null {
  const { decision, primary, primaryEpoch } = turn.state.kept;
  if (decision !== null && !openIn.includes(decision.phase)) {
    const holds = decision.kind === "switchover" && heldIn.includes(decision.phase);
    const tooLong = turn.now - decision.startedAt > HELD_FORWARD_MS_MAX;
    return holds && !tooLong ? { to: decision.from, hold: true } : null;
  }
  const owner = fresh(turn, primary);
  // Its own word that it is open is in the log before it is in what it reports of itself.
  const isOpen = owner?.role === "primary" && owner.epoch === primaryEpoch;
  const isOpenByLog = decision !== null && owner?.role !== "fenced";
  return isOpen || isOpenByLog ? { to: primary, hold: false } : null;
}

function obeys(report: PoolerReport | null, epoch: Epoch, wish: Pick<PoolerOrder, "to" | "hold">): boolean {
  if (report === null || report.epoch !== epoch) return false;
  return wish.hold ? report.held : !report.holds && report.to === wish.to;
}

/** Those that do not do yet what they are to do. */
export function missingPoolers(turn: ControlTurn): readonly NodeId[] {
  const wish = wishOf(turn);
  const { taken, decision } = turn.state.kept;
  return (decision?.holds ?? poolersOf(turn.policy)).filter((pooler) => {
    const report = freshPooler(turn.state.poolers, pooler, turn.now);
    return wish === null || !obeys(report, taken, wish);
  });
}

/** Says it again: to hold, to all of them, for that keeps them from letting go; else to those that do not do it yet. */
export function steerPoolers(turn: ControlTurn): void {
  const { kept } = turn.state;
  const wish = wishOf(turn);
  if (wish === null || !turn.due) return;
  const told = wish.hold ? poolersOf(turn.policy) : missingPoolers(turn);
  for (const to of told) {
    const order = { epoch: kept.taken, to: wish.to, hold: wish.hold, lapseMs: LAPSE_MS };
    turn.effects.push({ kind: "pool", to, order });
  }
}

/** Before the owner is asked to stop: until no client has anything under way. */
export function awaitHold(turn: ControlTurn, decision: Decision): { readonly over: string | null } {
  const missing = missingPoolers(turn);
  if (missing.length === 0) {
    append(turn, { kind: "stepping-down", epoch: decision.epoch, held: decision.holds ?? [] });
    return { over: null };
  }
  const [first = ""] = missing;
  const why = freshPooler(turn.state.poolers, first, turn.now)?.because ?? "not in reach";
  if (turn.now - decision.phaseAt > HOLD_WITHIN_MS) {
    return { over: `the clients of ${missing.join(", ")} could not be held: ${why}` };
  }
  turn.because = `waits until the clients of ${missing.join(", ")} are held`;
  return { over: null };
}

/** Why the clients have waited long enough, before anybody was told to promote; null while they have not. */
export function heldTooLong(turn: ControlTurn, decision: Decision): string | null {
  const holds = decision.kind === "switchover" && poolersOf(turn.policy).length > 0;
  if (!holds || turn.now - decision.startedAt <= HELD_MS_MAX) return null;
  return `clients were held for more than ${HELD_MS_MAX} ms`;
}

/** Whether the traffic that is steered otherwise may follow; tells a person whose clients are left behind. */
export function areLed(turn: ControlTurn, decision: Decision): boolean {
  const missing = missingPoolers(turn);
  if (missing.length === 0) return true;
  if (turn.now - decision.phaseAt <= LED_WITHIN_MS) return false;
  page(turn, `the clients of ${missing.join(", ")} are not yet led to ${turn.state.kept.primary}`);
  return true;
}

/** After a switchover that was called off: that its clients go on. */
export function noteLetGo(turn: ControlTurn): void {
  const { clientsHeldIn: epoch, primary } = turn.state.kept;
  if (epoch === undefined || wishOf(turn) === null || missingPoolers(turn).length > 0) return;
  append(turn, { kind: "clients-go-on", epoch, to: primary });
}
