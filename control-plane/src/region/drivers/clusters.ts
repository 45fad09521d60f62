/** Clusters under failover as the recovery room tells of them, and its desk, which is asked as any person asks it. */
import { type CommandDesk, readCommand } from "../../commands/commands.module.js";
import { isOpen } from "../../commands/domain/command.js";
import { messageOf, OpsError } from "../../kernel/errors.js";
import { type Duration, MINUTE } from "../../kernel/time.js";
import { childSpan, formatTraceparent } from "../../kernel/trace.js";
import type { Database, Queryable } from "../../platform/postgres/database.js";
import type { System } from "../../platform/system.js";
import { accountDecision } from "../../recovery/domain/account-decision.js";
import { estimateCluster } from "../../recovery/domain/judge-objective.js";
import { inReach } from "../../recovery/domain/observation.js";
import {
  type FailoverDesk,
  readClusters,
  readDecisions,
  readRequests,
} from "../../recovery/recovery.module.js";
import type { ActAnswer } from "../driver.js";
import { type PostgresPort, reasonOf } from "./postgres.js";
import type { RunOnNode } from "./scale.js";

/** Longer ago nobody drives it. */
const OBSERVED_WITHIN: Duration = 10_000;
const DECISIONS_READ = 20;
const REQUESTS_READ = 50;
const COMMAND_WITHIN: Duration = 10 * MINUTE;

export function clusterPort(database: Queryable, system: System, desk: FailoverDesk): PostgresPort {
  return {
    async look(name) {
      const found = (await readClusters(database)).find(
        ({ cluster, releasedAt }) => cluster === name && releasedAt === undefined,
      );
      const { observed } = found ?? {};
      if (found === undefined || observed === undefined) return undefined;
      if (system.clock.now() - observed.at > OBSERVED_WITHIN) return undefined;
      const { policy, state } = found;
      const { decision } = state;
      const [newest] = await readDecisions(database, { cluster: name, limit: 1 });
      const account = newest && accountDecision(newest.records);
      const live = estimateCluster(policy, state, observed);
      const isAsked = decision !== null && decision.ask !== null && decision.approval === null;
      return {
        owner: state.primary,
        epoch: state.primaryEpoch,
        inReach: inReach(policy, observed.seen).map(({ node }) => node),
        eligible: state.eligible.members,
        paused: state.paused,
        open:
          decision === null
            ? undefined
            : {
                epoch: decision.epoch,
                kind: decision.kind,
                phase: decision.phase,
                awaits: isAsked ? (decision.ask ?? "") : undefined,
                fencedBy: account?.epoch === decision.epoch ? account.fencedBy : undefined,
                candidate: decision.candidate ?? undefined,
              },
        missingMs: live.rpo ?? (live.rpoBytes === undefined ? null : undefined),
        says: live.because,
      };
    },

    async accountOf(cluster, owner, since) {
      const decisions = await readDecisions(database, { cluster, limit: DECISIONS_READ });
      for (const { records } of decisions) {
        const account = accountDecision(records);
        // A loss is failed over by itself before anyone asks for the region.
        if (account === undefined || (account.endedAt ?? since) < since - LOOK_BACK) continue;
        if (account.candidate !== owner || account.openAfter === undefined) continue;
        return {
          epoch: account.epoch,
          fencedBy: account.fencedBy ?? "by a decision before",
          missingMs: account.rpo ?? (account.missingBytes === 0 ? 0 : undefined),
          says: `${account.kind} from ${account.from}, open after ${Math.round(account.openAfter)} ms`,
        };
      }
      return undefined;
    },

    async switchOver(cluster, to, { reason, by, since }) {
      const asked = (await readRequests(database, { cluster, limit: REQUESTS_READ })).find(
        (request) => request.reason === reason && request.requestedAt >= since,
      );
      if (asked !== undefined && asked.state !== "refused" && asked.state !== "lapsed") {
        const why = asked.because === "" ? "" : `: ${asked.because}`;
        return `a switchover to ${asked.to} is ${asked.state}${why} (request ${asked.id})`;
      }
      const wish = { cluster, kind: "switchover", to } as const;
      const { hash } = await desk.plan(wish);
      const request = await desk.request({ ...wish, planHash: hash, reason, drill: "" }, by);
      return `a switchover to ${to} is ${request.state} (request ${request.id})`;
    },
  };
}

const LOOK_BACK: Duration = 15 * MINUTE;

export function commandsHand(database: Database, system: System, desk: CommandDesk): RunOnNode {
  return async ({ node, action, arguments: args }, errand): Promise<ActAnswer> => {
    const command = await desk
      .request({
        requestId: `region-${errand.region}-${errand.epoch}-${errand.step}`,
        node,
        action,
        argumentsJson: JSON.stringify(args),
        requestedBy: errand.by,
        roles: errand.roles,
        reason: reasonOf(errand),
        expiresInMs: COMMAND_WITHIN,
        timeoutMs: COMMAND_WITHIN,
        traceparent: formatTraceparent(childSpan(undefined, system.draws.hex)),
        hold: false,
      })
      .catch((error: unknown) => {
        if (error instanceof OpsError) return error;
        throw error;
      });
    if (command instanceof OpsError) return { kind: "failed", because: messageOf(command) };
    const now = (await readCommand(database, command.id)) ?? command;
    const said = `${action} on ${node} is ${now.state}${now.because === "" ? "" : `: ${now.because}`} (command ${now.id})`;
    if (now.state === "succeeded") return { kind: "acted", because: now.summary === "" ? said : now.summary };
    if (now.state === "awaiting-approval") return { kind: "failed", because: said };
    return isOpen(now.state) ? { kind: "pending", because: said } : { kind: "failed", because: said };
  };
}
