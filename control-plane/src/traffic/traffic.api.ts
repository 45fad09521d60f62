/** TrafficService: proto message ↔ targets, where their traffic goes, and what is asked of them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type SteerSchema,
  TrafficService,
  type TrafficTargetViewSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/traffic_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import type { CallContext } from "../platform/call.js";
import type { Queryable } from "../platform/postgres/database.js";
import type { HealthVerdict } from "./domain/judge-votes.js";
import { allMovedAt, type Steer } from "./domain/steer.js";
import type { TrafficTarget } from "./domain/traffic-target.js";
import { readSteers } from "./steers.store.js";
import type { Seen, TrafficDesk } from "./traffic-desk.js";

const LIST = { default: 50, max: 500 } as const;
const TEXT_MAX = 2_000;

export interface TrafficApiPorts {
  readonly database: Queryable;
  readonly desk: TrafficDesk;
}

export function trafficApi({
  database,
  desk,
}: TrafficApiPorts): ServiceImplementation<typeof TrafficService, CallContext> {
  const viewOf = async (target: TrafficTarget) => {
    const { seen, place, health, steers } = await desk.stand(target);
    return {
      ...targetToWire(target, seen, health, steers[0]),
      place: place.kind,
      placeBecause: place.because,
    };
  };
  return {
    listTargets: async () => ({ targets: await Promise.all(desk.targets.map(viewOf)) }),
    getTarget: async ({ target }) => ({ target: await viewOf(desk.need(target)) }),

    async planSteer({ target, to }) {
      const { hash, steps, against, needsApproval, from } = await desk.plan(target, to);
      return { planHash: hash, steps: [...steps], against: [...against], needsApproval, from: [...from], to };
    },

    async requestSteer({ target, to, planHash, reason }, { caller }) {
      return { steer: steerToWire(await desk.request({ target, to, planHash, reason }, caller.actor)) };
    },

    async decideSteer({ steerId, answer, reason }, { caller }) {
      if (answer !== "approve" && answer !== "refuse")
        throw new OpsError(
          "INVALID_ARGUMENT",
          `answer is "${cleanText(answer, 100)}", expected approve or refuse`,
        );
      return { steer: steerToWire(await desk.decide(steerId, answer === "approve", reason, caller.actor)) };
    },

    async listSteers({ target, limit }) {
      const filter = {
        ...(target === "" ? {} : { target }),
        limit: Math.min(limit === 0 ? LIST.default : limit, LIST.max),
      };
      return { steers: (await readSteers(database, filter)).map(steerToWire) };
    },
  };
}

function targetToWire(
  target: TrafficTarget,
  seen: Seen,
  health: ReadonlyMap<string, HealthVerdict>,
  last: Steer | undefined,
): MessageInitShape<typeof TrafficTargetViewSchema> {
  const { id, title, kind, cluster, destinations } = target;
  const shared = {
    target: id,
    title,
    kind,
    cluster: cluster ?? "",
    destinations: Object.keys(destinations).map((destination) => {
      const verdict = health.get(destination);
      return {
        destination,
        health: verdict?.kind ?? "",
        because: verdict?.because ?? "",
        votes: (verdict?.votes ?? []).map(({ vantage, kind: vote, because }) => ({ vantage, vote, because })),
      };
    }),
    ...(last === undefined ? {} : { last: steerToWire(last) }),
  };
  if ("unseen" in seen) return { ...shared, seen: false, because: cleanText(seen.unseen, TEXT_MAX) };
  return {
    ...shared,
    seen: true,
    goesTo: seen.goesTo.map((one) => cleanText(one, 200)),
    ...(seen.epoch === undefined ? {} : { epoch: BigInt(seen.epoch) }),
    holdMs: BigInt(Math.round(seen.hold)),
    ...(seen.elsewhere === undefined ? {} : { elsewhere: seen.elsewhere }),
    because: cleanText(seen.because, TEXT_MAX),
  };
}

function steerToWire(steer: Steer): MessageInitShape<typeof SteerSchema> {
  const moved = allMovedAt(steer);
  return {
    steerId: steer.id,
    target: steer.target,
    to: steer.to,
    origin: steer.origin?.name ?? "",
    originEpoch: BigInt(steer.origin?.epoch ?? 0),
    reason: steer.reason,
    requestedBy: steer.requestedBy.name,
    requestedAt: timestampFromMs(steer.requestedAt),
    state: steer.state,
    because: cleanText(steer.because, TEXT_MAX),
    decidedBy: steer.decidedBy?.name ?? "",
    planHash: steer.planHash,
    epoch: BigInt(steer.begun?.epoch ?? 0),
    from: [...(steer.begun?.from ?? [])],
    ...(steer.steeredAt === undefined ? {} : { steeredAt: timestampFromMs(steer.steeredAt) }),
    ...(moved === undefined ? {} : { allMovedAt: timestampFromMs(moved) }),
    ...(steer.endedAt === undefined ? {} : { endedAt: timestampFromMs(steer.endedAt) }),
  };
}
