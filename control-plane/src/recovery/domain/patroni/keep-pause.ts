/** Patroni's maintenance mode: when it is to be on, and keeping it so as long as it is ours. */
import { type Duration, SECOND } from "../../../kernel/time.js";
import {
  FAILOVERS_WITHIN,
  type PatroniPolicy,
  type PatroniRecord,
  type PatroniState,
} from "./patroni-cluster.js";
import { fitReplicas, openOwner, type PatroniSeen } from "./patroni-seen.js";
import { nothing, type PatroniMemory, type PatroniStep } from "./patroni-step.js";

/** What was asked for and is not in force yet is asked for again so often. */
const PAUSE_AGAIN: Duration = 10 * SECOND;
/** A replica that Patroni still names, and that only starts anew, is back within this. */
const REPLICA_AWAY: Duration = 20 * SECOND;

/** Whether Patroni is to be in maintenance mode, and why. A hold begins when there is a replica that could be failed over to. */
export function wantsPause(
  policy: PatroniPolicy,
  state: PatroniState,
  seen: PatroniSeen,
  memory: PatroniMemory,
): { readonly pause: boolean; readonly because: string } {
  if (state.hold !== null) return { pause: true, because: `${state.hold.by}: ${state.hold.reason}` };
  const { manual, failoversPerHourMax: most } = policy;
  const recent = state.failovers.filter((at) => seen.at - at < FAILOVERS_WITHIN).length;
  const held = most > 0 && recent >= most;
  if (!manual && !held) return { pause: false, because: "nothing holds it any more" };
  if (bringsReplicaBack(state, seen, memory)) return { pause: false, because: "no replica is there" };
  return manual
    ? { pause: true, because: "every failover of this cluster needs a person" }
    : { pause: true, because: `${recent} failovers within an hour: the next one needs a person` };
}

/**
 * Patroni in maintenance mode starts no node that comes back. While there is no replica nobody could be failed over to, and
 * it may be out of it until there is one; but not when it could have the only one promoted for a lost owner.
 */
function bringsReplicaBack(state: PatroniState, seen: PatroniSeen, memory: PatroniMemory): boolean {
  if (fitReplicas(seen).length > 0) return false;
  if (state.pausing !== "on") return true;
  if (openOwner(seen) === undefined) return false;
  const alone = seen.members.every(({ name }) => name === seen.holder);
  return alone || seen.at - (memory.fitAt ?? seen.at) > REPLICA_AWAY;
}

/** What was ours and is not wanted any more ends, also while nobody is open: then Patroni is to act again. */
export function endPause(
  policy: PatroniPolicy,
  state: PatroniState,
  seen: PatroniSeen,
  memory: PatroniMemory,
): PatroniStep | undefined {
  const { pause, because } = wantsPause(policy, state, seen, memory);
  if (pause || state.pausing !== "on") return undefined;
  const record: PatroniRecord = { at: seen.at, kind: "patroni-pausing", pause, because };
  return { records: [record], effects: [{ kind: "pause", pause }], because };
}

export function keepPause(
  policy: PatroniPolicy,
  state: PatroniState,
  seen: PatroniSeen,
  memory: PatroniMemory,
): PatroniStep {
  const { pause, because } = wantsPause(policy, state, seen, memory);
  const { at } = seen;
  if (pause && state.pausing !== "on") {
    const record: PatroniRecord = { at, kind: "patroni-pausing", pause, because };
    return { records: [record], effects: [{ kind: "pause", pause }], because };
  }
  const ended = endPause(policy, state, seen, memory);
  if (ended !== undefined) return ended;
  const quiet = memory.pausedAt === undefined || at - memory.pausedAt >= PAUSE_AGAIN;
  if (state.pausing !== "no" && pause !== seen.paused && quiet) {
    const what = pause ? "be put into" : "leave";
    return {
      records: [],
      effects: [{ kind: "pause", pause }],
      because: `asked again to ${what} maintenance mode`,
    };
  }
  if (state.pausing === "ending" && !seen.paused) {
    return {
      records: [{ at, kind: "patroni-unpaused" }],
      effects: [],
      because: "Patroni is in charge again",
    };
  }
  const outside = !pause && seen.paused ? "; somebody else put Patroni into maintenance mode" : "";
  return nothing(`${state.leader} is open on timeline ${state.timeline}${outside}`);
}
