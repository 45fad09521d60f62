/** DrillsService: proto message ↔ runs of drills. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  DrillRunSchema,
  DrillsService,
  RestoreReportSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/drills_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import type { CallContext } from "../platform/call.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { DrillRun } from "../recovery/domain/drill-run.js";
import type { RestoreReport } from "../recovery/domain/restore-report.js";
import { readRun, readRuns } from "../recovery/recovery.module.js";
import type { DrillDesk } from "./drill-desk.js";

const LIST = { default: 50, max: 500 } as const;
/** In which steps come; as they are kept they have no order. */
const ORDER = ["verify", "restore", "recover", "check", "probe"];

export function drillsApi({
  database,
  desk,
}: {
  readonly database: Queryable;
  readonly desk: DrillDesk;
}): ServiceImplementation<typeof DrillsService, CallContext> {
  return {
    async runDrill({ drill, reason }, { caller }) {
      return { run: runToWire(await desk.run(drill, reason, caller.actor)) };
    },

    async abortDrill({ runId, reason }, { caller }) {
      return { run: runToWire(await desk.abort(runId, reason, caller.actor)) };
    },

    async listDrillRuns({ drill, limit }) {
      const most = Math.min(limit === 0 ? LIST.default : limit, LIST.max);
      const runs = await readRuns(database, { ...(drill === "" ? {} : { drill }), limit: most });
      return { runs: runs.map(runToWire) };
    },

    async getDrillRun({ runId }) {
      const run = await readRun(database, runId);
      if (run === undefined)
        throw new OpsError("NOT_FOUND", `there is no run "${cleanText(runId, 100)}" of a drill`);
      return { run: runToWire(run) };
    },
  };
}

const whole = (value: number): bigint => BigInt(Math.max(0, Math.round(value)));

function runToWire(run: DrillRun): MessageInitShape<typeof DrillRunSchema> {
  const { id, drill, component, kind, begunBy, reason, state, because, score, reach, reference } = run;
  return {
    runId: id,
    drill,
    component,
    kind,
    begunBy: begunBy.name,
    reason,
    begunAt: timestampFromMs(run.begunAt),
    ...(run.endedAt === undefined ? {} : { endedAt: timestampFromMs(run.endedAt) }),
    state,
    because,
    score,
    reach,
    reference,
    ...(run.report === undefined ? {} : { report: reportToWire(run.report) }),
  };
}

function reportToWire(report: RestoreReport): MessageInitShape<typeof RestoreReportSchema> {
  const { repository, backup, rto, rpo, bytes, steps, says, probes, destroyed } = report;
  return {
    repository,
    backup,
    to: report.to ?? "",
    ...(rto === undefined ? {} : { rtoMs: whole(rto) }),
    ...(rpo === undefined ? {} : { rpoMs: whole(rpo) }),
    newestAt: report.newestAt ?? "",
    measuredBy: report.measuredBy ?? "",
    bytes: whole(bytes),
    steps: Object.entries(steps)
      .sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b))
      .map(([step, took]) => ({ step, tookMs: whole(took) })),
    says: says.map((text) => cleanText(text, 2_000)),
    probes: Object.entries(probes).map(([name, value]) => ({ name, ...(value === null ? {} : { value }) })),
    failedAt: report.failedAt ?? "",
    because: cleanText(report.because ?? "", 2_000),
    destroyed,
  };
}
