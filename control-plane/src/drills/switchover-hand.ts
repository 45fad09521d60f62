/** Switchover drills: asked of the failover desk as a person asks, marked as a drill. */
import { OpsError } from "../kernel/errors.js";
import type { Database } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import type { DrillAims } from "../recovery/domain/drill.js";
import {
  type FailoverDesk,
  readDrillRequests,
  readRequest,
  scoreRequest,
  withdrawRequest,
} from "../recovery/recovery.module.js";
import type { DrillHand, Seen } from "./drill-hand.js";

/** Requests of a drill that are looked through for the run's own. */
const REQUESTS_LOOKED_AT = 5;

export interface SwitchoverHandPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly desk: FailoverDesk;
  readonly aimsOf: (component: string) => DrillAims;
}

export function switchoverHand({ database, clock, desk, aimsOf }: SwitchoverHandPorts): DrillHand {
  return {
    reach: ({ cluster }) =>
      `cluster ${cluster}: its owner changes, writes stand still meanwhile, and nothing is lost`,

    async whyNot({ cluster }) {
      try {
        const { against } = await desk.plan({ cluster, kind: "switchover", to: "" });
        return against.length === 0 ? undefined : against.join("; ");
      } catch (error) {
        if (error instanceof OpsError) return error.message;
        throw error;
      }
    },

    async ask(run, { id, cluster }) {
      // No other run is open, so what was asked for since it began is its own.
      const known = await readDrillRequests(database, id, REQUESTS_LOOKED_AT);
      const own = known.find(({ requestedAt }) => requestedAt >= run.begunAt);
      if (own !== undefined) return { kind: "asked", reference: own.id };
      const wish = { cluster, kind: "switchover", to: "" } as const;
      const { hash, against } = await desk.plan(wish);
      if (against.length > 0) return { kind: "refused", because: against.join("; ") };
      const asked = await desk.request(
        { ...wish, planHash: hash, reason: run.reason, drill: id },
        run.begunBy,
      );
      return { kind: "asked", reference: asked.id };
    },

    async look(run): Promise<Seen> {
      const request = await readRequest(database, run.reference);
      if (request === undefined) {
        const score = { last: "failed", score: 0, because: "there is no such request any more" } as const;
        return { kind: "ended", score, report: undefined };
      }
      const score = await scoreRequest(database, request, aimsOf(run.component));
      if (score.last === "running") return { kind: "open", because: `${request.state}: ${score.because}` };
      return { kind: "ended", score, report: undefined };
    },

    // Once it is decided, stopping halfway would be worse: failover itself carries it through or back.
    async abort(run, because) {
      await withdrawRequest(database, run.reference, because, clock.now());
    },
  };
}
