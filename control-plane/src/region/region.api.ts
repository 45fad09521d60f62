/** RegionService: proto message ↔ regions, their plans and runs. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type MeasuredComponentSchema,
  type RegionRunViewSchema,
  RegionService,
  type RegionStepViewSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import type { Topology } from "../topology/domain/component.js";
import { accountRun, type MeasuredComponent } from "./domain/account-run.js";
import { type CascadeState, type Missing, stepState } from "./domain/cascade.js";
import { type PlannedStep, planRun } from "./domain/plan-run.js";
import type { RegionPlan } from "./domain/region-plan.js";
import {
  type RegionRun,
  readNewestRuns,
  readRecords,
  readRun,
  readStandings,
  readTook,
} from "./region.store.js";
import { noRun, type RegionDesk } from "./region-desk.js";

export interface RegionApiPorts {
  readonly database: Queryable;
  readonly clock: Clock;
  readonly desk: RegionDesk;
  readonly regions: () => readonly RegionPlan[];
  /** Why the file as it is now is not in force. */
  readonly faults: () => readonly string[];
  readonly topology: () => Topology;
}

export function regionApi(ports: RegionApiPorts): ServiceImplementation<typeof RegionService, CallContext> {
  const { database, clock, desk, regions, faults, topology } = ports;
  const stepsOf = async (plan: RegionPlan, state: CascadeState | undefined) => {
    const planned = planRun({
      plan,
      topology: topology(),
      standings: await readStandings(database, plan.id),
      took: await readTook(database, plan.id),
      epochTaken: 0,
      openEpoch: undefined,
      now: clock.now(),
    });
    return planned.steps.map((step) => stepToWire(step, state));
  };
  return {
    async listRegions() {
      const newest = await readNewestRuns(database);
      const views = regions().map(async (plan) => {
        const run = newest.find(({ region }) => region === plan.id);
        return {
          region: plan.id,
          title: plan.title,
          to: plan.to,
          rtoMs: whole(plan.rto),
          steps: await stepsOf(plan, run?.state),
          ...(run === undefined ? {} : { run: await told(run) }),
        };
      });
      return { regions: await Promise.all(views), faults: [...faults()] };
    },

    async planRegion({ region }) {
      const plan = await desk.plan(region);
      return {
        region,
        to: plan.to,
        epoch: BigInt(plan.epoch),
        kind: plan.kind,
        steps: plan.steps.map((step) => stepToWire(step, undefined)),
        totalMs: whole(plan.totalMs),
        totalBudgetMs: whole(plan.totalBudgetMs),
        rtoMs: whole(plan.rtoMs),
        doubts: plan.doubts.map(({ says }) => says),
        against: [...plan.against],
        planHash: plan.hash,
      };
    },

    async runRegion({ region, planHash, reason }, { caller }) {
      return { run: await told(await desk.run(region, planHash, reason, caller)) };
    },

    async decideRegion({ region, epoch, answer, reason }, { caller }) {
      if (answer !== "approve" && answer !== "refuse" && answer !== "continue") {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `answer is "${cleanText(answer, 100)}", expected approve, refuse or continue`,
        );
      }
      return { run: await told(await desk.decide(region, Number(epoch), answer, reason, caller)) };
    },

    async abortRegion({ region, epoch, reason }, { caller }) {
      return { run: await told(await desk.abort(region, Number(epoch), reason, caller.actor)) };
    },

    async explainRegion({ region, epoch }) {
      const run = await readRun(database, region, Number(epoch));
      if (run === undefined) throw noRun(region, Number(epoch));
      const account = accountRun(run.plan, await readRecords(database, region, run.epoch), topology());
      return {
        run: await told(run),
        records: (account?.steps ?? []).map(({ at, kind, says }) => ({ at: moment(at), kind, says })),
        components: (account?.components ?? []).map(componentToWire),
        steps: await stepsOf(run.plan, run.state),
      };
    },
  };

  async function told(run: RegionRun): Promise<MessageInitShape<typeof RegionRunViewSchema>> {
    const account = accountRun(run.plan, await readRecords(database, run.region, run.epoch), topology());
    return runToWire(run, account?.tookMs);
  }
}

const whole = (value: number): bigint => BigInt(Math.max(0, Math.round(value)));
const moment = (at: Instant) => timestampFromMs(Math.floor(at));
const missingToWire = (missing: Missing | undefined) =>
  missing === undefined ? {} : missing === null ? { missingUnknown: true } : { missingMs: whole(missing) };

function stepToWire(
  { step, standing, tookMs, endsAfterMs, missingMs, rpo }: PlannedStep,
  state: CascadeState | undefined,
): MessageInitShape<typeof RegionStepViewSchema> {
  return {
    step: step.id,
    kind: step.kind,
    component: step.component ?? "",
    needs: [...step.needs],
    budgetMs: whole(step.budget),
    endsAfterMs: whole(endsAfterMs),
    from: standing?.from ?? "none",
    to: standing?.to ?? "not-ready",
    because: standing?.because ?? "nobody has looked at it yet",
    state: state === undefined ? "" : stepState(state, step.id).kind,
    ...missingToWire(missingMs),
    ...(tookMs === undefined ? {} : { tookMs: whole(tookMs) }),
    ...(standing === undefined ? {} : { seenAt: moment(standing.at) }),
    ...(rpo === undefined ? {} : { rpoMs: whole(rpo) }),
  };
}

function runToWire(
  { region, epoch, state, startedAt, endedAt, requestedBy, reason, planHash }: RegionRun,
  tookMs: number | undefined,
): MessageInitShape<typeof RegionRunViewSchema> {
  return {
    region,
    epoch: BigInt(epoch),
    phase: state.phase,
    startedAt: moment(startedAt),
    lostAt: moment(state.lostAt),
    requestedBy: requestedBy.name,
    reason,
    asks: state.question?.says ?? "",
    overBudget: [...state.overBudget],
    planHash,
    ...(endedAt === undefined ? {} : { endedAt: moment(endedAt) }),
    ...(tookMs === undefined ? {} : { tookMs: whole(tookMs) }),
  };
}

function componentToWire(one: MeasuredComponent): MessageInitShape<typeof MeasuredComponentSchema> {
  const { component, verdict, rtoMs, rtoObjectiveMs, rpoObjectiveMs, missingMs } = one;
  return {
    component,
    verdict,
    ...missingToWire(missingMs),
    ...(rtoMs === undefined ? {} : { rtoMs: whole(rtoMs) }),
    ...(rtoObjectiveMs === undefined ? {} : { rtoObjectiveMs: whole(rtoObjectiveMs) }),
    ...(rpoObjectiveMs === undefined ? {} : { rpoObjectiveMs: whole(rpoObjectiveMs) }),
  };
}
