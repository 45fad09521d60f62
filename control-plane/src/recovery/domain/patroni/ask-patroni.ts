/** What a person asks of an adopted cluster: what would be done, what speaks against it, and what is written down of it. */
import type { Instant } from "../../../kernel/time.js";
import type { FailoverRequest } from "../failover-request.js";
import type { FailoverPlan } from "../plan-failover.js";
import type { PatroniPolicy, PatroniRecord, PatroniState } from "./patroni-cluster.js";
import { fitReplicas, openOwner, type PatroniSeen } from "./patroni-seen.js";
import type { PatroniMemory, PatroniStep } from "./patroni-step.js";

export interface PatroniPlanInput {
  readonly cluster: string;
  readonly policy: PatroniPolicy;
  readonly state: PatroniState;
  /** Undefined when no replica of the control plane looks at the cluster. */
  readonly seen: PatroniSeen | undefined;
  readonly kind: "switchover" | "force";
  /** Empty: whoever is fit. */
  readonly to: string;
}

export function planPatroni(input: PatroniPlanInput): FailoverPlan {
  const { cluster, policy, state, seen, kind } = input;
  const against: string[] = [];
  if (seen === undefined) against.push("no control plane looks at the cluster now");
  if (state.decision !== null)
    against.push(`decision ${state.decision.epoch} is open (${state.decision.phase})`);
  const fit = seen === undefined ? [] : fitReplicas(seen).map(({ name }) => name);
  const to = input.to === "" ? (fit[0] ?? "") : input.to;
  if (seen !== undefined && !fit.includes(to)) {
    const whom = input.to === "" ? "any replica" : input.to;
    against.push(`Patroni would not promote ${whom} now (fit: ${fit.join(", ") || "nobody"})`);
  }
  if (seen !== undefined && kind === "switchover" && openOwner(seen)?.leader !== state.leader)
    against.push(`${state.leader} is not open: there is nothing to hand over`);
  const epoch = state.taken + 1;
  const { leader: from, timeline } = state;
  const steps =
    kind === "switchover"
      ? [
          `decision ${epoch} is written down, then Patroni is asked: POST /switchover from ${from} to ${to || "the replica"}`,
          `Patroni checkpoints and stops ${from}, and promotes ${to || "the replica"} when it has everything; if it refuses, all stays as it was`,
          `${to || "the replica"} has to say itself that it takes writes, on a timeline after ${timeline}`,
          `Patroni makes ${from} its replica`,
        ]
      : [
          `decision ${epoch} is written down, then Patroni is asked: POST /failover to ${to || "the replica"}`,
          `Patroni takes the lease from ${from} when it has it, and promotes ${to || "the replica"} with what that has: what it lacks is lost`,
          `${to || "the replica"} has to say itself that it takes writes, on a timeline after ${timeline}`,
        ];
  const bound = { cluster, kind, from, to, timeline, epoch, fit };
  // One person must not be able to accept the loss of what others wrote.
  return { kind, from, to, steps, against, needsApproval: kind === "force" || policy.manual, bound };
}

/** After what a person asked; no records when it is refused. */
export function afterRequest(
  policy: PatroniPolicy,
  state: PatroniState,
  request: FailoverRequest,
  seen: PatroniSeen | undefined,
  memory: PatroniMemory,
  at: Instant,
): PatroniStep {
  const { kind, requestedBy, decidedBy, reason } = request;
  const refused = (because: string): PatroniStep => ({ records: [], effects: [], because });
  const done = (record: PatroniRecord, because: string): PatroniStep => ({
    records: [record],
    effects: [],
    because,
  });
  switch (kind) {
    case "switchover":
    case "force": {
      const plan = planPatroni({ cluster: request.cluster, policy, state, seen, kind, to: request.to });
      if (plan.against.length > 0) return refused(plan.against.join("; "));
      const epoch = state.taken + 1;
      const trigger = `${requestedBy.name} asked for a ${kind === "force" ? "forced failover" : kind}: ${reason}`;
      return done(
        {
          at,
          kind: "patroni-intended",
          epoch,
          decision: kind === "force" ? "failover" : kind,
          byPatroni: false,
          from: state.leader,
          to: plan.to,
          timeline: state.timeline,
          trigger,
          approvedBy: decidedBy?.name ?? null,
          acceptLoss: kind === "force",
          openAt: memory.open?.at ?? null,
          lsn: memory.open?.lsn ?? null,
        },
        `decision ${epoch} is begun`,
      );
    }
    case "pause":
    case "resume": {
      const hold = kind === "pause";
      return done(
        { at, kind: "patroni-hold", hold, by: requestedBy.name, reason },
        hold ? "Patroni is put into maintenance mode" : "nobody holds it any more",
      );
    }
    case "approve":
    case "refuse":
      return answer(state, request, at);
    case "vouch":
      return refused("Patroni keeps the lease: nobody has to vouch for an old owner, or could");
  }
}

function answer(state: PatroniState, request: FailoverRequest, at: Instant): PatroniStep {
  const { decision } = state;
  const { kind, epoch, reason, acceptLoss } = request;
  const by = request.requestedBy.name;
  if (decision === null || decision.epoch !== epoch || decision.phase !== "waits") {
    return { records: [], effects: [], because: `decision ${epoch} does not wait for a person` };
  }
  const record: PatroniRecord =
    kind === "approve"
      ? { at, kind: "patroni-approved", epoch, by, reason, acceptLoss }
      : { at, kind: "patroni-aborted", epoch, because: `refused by ${by}: ${reason}`, refused: true };
  return {
    records: [record],
    effects: [],
    because: `${kind === "approve" ? "approved" : "refused"} by ${by}`,
  };
}
