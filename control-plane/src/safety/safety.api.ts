/** SafetyService: proto message ↔ the budget, the brake, domains and cases. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type BrakeSchema,
  type SafetyCaseSchema,
  type SafetyDomainSchema,
  SafetyService,
} from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { Clock } from "../platform/system.js";
import type { Case } from "./domain/case.js";
import { type Brake, beyondBudget, type DomainFacts, judgeWorld } from "./domain/judge-action.js";
import { inFlightMax, type SafetyPolicy } from "./domain/safety-policy.js";
import { explainStorm } from "./domain/storm.js";
import type { Safety } from "./safety.js";
import { readBudget, readCases } from "./safety.store.js";

const REASON_MAX = 1_000;
const PAGE = { default: 100, max: 1_000 } as const;

export interface SafetyApiPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly safety: Safety;
  readonly policy: () => SafetyPolicy;
}

function brakeToWire(brake: Brake): MessageInitShape<typeof BrakeSchema> {
  return {
    tripped: brake.kind === "tripped",
    at: timestampFromMs(brake.at),
    by: brake.by,
    because: brake.because,
  };
}

function caseToWire({
  id,
  nodeName,
  action,
  openedAt,
  because,
  closed,
}: Case): MessageInitShape<typeof SafetyCaseSchema> {
  return {
    caseId: id,
    nodeName,
    action,
    openedAt: timestampFromMs(openedAt),
    because,
    ...(closed === undefined
      ? {}
      : { closedAt: timestampFromMs(closed.at), closedBy: closed.by, closedBecause: closed.because }),
  };
}

function domainToWire(
  domain: DomainFacts,
  policy: SafetyPolicy,
  now: Instant,
): MessageInitShape<typeof SafetyDomainSchema> {
  const { label, name, health, storm, inFlight } = domain;
  const limit = policy.inFlight.find((one) => one.label === label);
  return {
    label,
    value: name.slice(label.length + 1),
    nodes: health.nodes,
    unhealthy: health.unhealthy,
    inFlight,
    inFlightMax: limit === undefined ? 0 : inFlightMax(limit, health.nodes),
    storm: storm.kind,
    ...(storm.kind === "calm"
      ? {}
      : {
          because: explainStorm(name, storm, health, policy.storm, now),
          stormSince: timestampFromMs(storm.since),
        }),
  };
}

export function safetyApi(ports: SafetyApiPorts): ServiceImplementation<typeof SafetyService, CallContext> {
  const { database, clock, safety } = ports;
  return {
    async getSafety() {
      const [policy, now] = [ports.policy(), clock.now()];
      const { brake, spent } = await readBudget(database, now, "");
      const domains = await safety.domains(database, now);
      const open = await readCases(database, { openOnly: true, limit: PAGE.max });
      const world = judgeWorld({ brake, domains: [] }, policy, now);
      const beyond = beyondBudget(spent, policy);
      return {
        automaticAllowed: world.kind === "clear" && beyond === undefined,
        because:
          world.kind === "hold"
            ? world.because
            : beyond === undefined
              ? ""
              : `the brake trips with the next automatic action: ${beyond}`,
        brake: brakeToWire(brake),
        budget: {
          ...spent,
          actionsPerHour: policy.budget.actionsPerHour,
          failureRatio: policy.budget.failureRatio,
          failuresMin: policy.budget.failuresMin,
          spentBecause: beyond ?? "",
        },
        domains: domains.map((domain) => domainToWire(domain, policy, now)),
        openCases: open.length,
      };
    },

    async tripBrake(request, context) {
      const reason = readReason(request.reason);
      const by = context.caller.actor;
      return { brake: brakeToWire(await safety.trip(by, reason || `${by.name} tripped it`)) };
    },

    async resetBrake(request, context) {
      return { brake: brakeToWire(await safety.reset(context.caller.actor, readReason(request.reason))) };
    },

    async listCases(request) {
      const size = request.page?.size ?? 0;
      if (size > PAGE.max)
        throw new OpsError("INVALID_ARGUMENT", `page.size is ${size}, at most ${PAGE.max}`);
      const limit = size === 0 ? PAGE.default : size;
      const before = readToken(request.page?.token ?? "");
      const cases = await readCases(database, {
        openOnly: !request.includeClosed,
        limit,
        ...(before === undefined ? {} : { before }),
      });
      const last = cases.at(-1);
      return {
        cases: cases.map(caseToWire),
        nextToken: last !== undefined && cases.length === limit ? `${last.openedAt}/${last.id}` : "",
      };
    },

    async closeCase(request, context) {
      const reason = readReason(request.reason);
      return {
        case: caseToWire(
          await safety.closeCase(cleanText(request.caseId, 100), context.caller.actor, reason),
        ),
      };
    },
  };
}

function readReason(reason: string): string {
  if (reason.length > REASON_MAX)
    throw new OpsError("INVALID_ARGUMENT", `reason has ${reason.length} characters, at most ${REASON_MAX}`);
  return reason;
}

function readToken(token: string): { readonly at: Instant; readonly id: string } | undefined {
  if (token === "") return undefined;
  const [time, id] = token.split("/");
  const at = Number(time);
  if (id !== undefined && Number.isSafeInteger(at)) return { at, id };
  throw new OpsError(
    "INVALID_ARGUMENT",
    `page.token is "${cleanText(token, 80)}", expected the next_token of an answer`,
  );
}
