/** The real doors on free ports, over rooms that the test makes up. */
import { CertificateAuthority } from "../../access/access.module.js";
import type { Caller, Role } from "../../kernel/caller.js";
import { OpsError } from "../../kernel/errors.js";
import { DAY } from "../../kernel/time.js";
import { createLogger, type Logger, silentLogger } from "../../platform/logger.js";
import { Metrics } from "../../platform/metrics.js";
import { system } from "../../platform/system.js";
import type { AgentDoor } from "../agent.controller.js";
import { Admission } from "../agent-link/admission.js";
import { ALERTMANAGER_ERRORS } from "../alertmanager-api.controller.js";
import { type Doors, openDoors } from "../doors.js";
import { edgeModule } from "../edge.module.js";
import { Gate, type GatePorts } from "../gate.js";
import { GrpcDoor } from "../grpc/grpc-door.js";
import type { TlsIdentity } from "../grpc-server.js";
import { FailoverCheck } from "../health/check-failover.js";
import { type Check, HealthChecks } from "../health/check-health.js";
import { EventLoopLag } from "../health/event-loop.js";
import { Serving } from "../health/serving.js";
import { type Dependency, ReadinessWatch } from "../health/watch-readiness.js";
import { HttpDoor } from "../http-door.js";
import { type Endpoint, plain } from "../http-endpoint.js";
import { OperatorApi, type OperatorService } from "../operator-api.js";
import { PROMETHEUS_ERRORS, type PrometheusDoor } from "../prometheus-api.controller.js";
import type { Reload } from "../reload.js";
import { createRequestMeter } from "../request-meter.js";
import { httpRules } from "../rest/http-rule.js";
import { openApi } from "../rest/openapi.js";

export interface TestDoorsOptions {
  readonly services?: readonly OperatorService[];
  readonly prometheus?: PrometheusDoor;
  readonly alertmanager?: readonly Endpoint[];
  readonly reload?: Reload;
  readonly dependencies?: readonly Dependency[];
  readonly checks?: readonly Check[];
  readonly agents?: Partial<AgentDoor>;
  readonly authenticate?: GatePorts["authenticate"];
  readonly permit?: GatePorts["permit"];
  /** Whether operators, too, must speak TLS. */
  readonly tls?: boolean;
  /** How agents' connections come in. @default as in production */
  readonly admission?: Admission;
}

export interface TestDoors extends Doors {
  /** What the agents' port shows, and with `tls` the others too. */
  readonly identity: Required<TlsIdentity>;
  readonly rest: string;
  readonly metrics: Metrics;
  readonly serving: Serving;
  readonly eventLoop: EventLoopLag;
  /** Lines logged so far, as JSON. */
  readonly lines: readonly string[];
}

const NOTHING: Endpoint = {
  path: "federate",
  verbs: ["GET"],
  needs: "none",
  answer: async () => plain(200, ""),
};

export const TOKEN = "good-token";

export const caller = (roles: readonly Role[] = ["admin"]): Caller => ({
  actor: { kind: "human", name: "tester" },
  roles,
  tokenId: "t-1",
});

export async function openTestDoors(options: TestDoorsOptions = {}): Promise<TestDoors> {
  const lines: string[] = [];
  const logger: Logger = createLogger(system.clock, (line) => lines.push(line), "warn");
  const metrics = new Metrics();
  const gate = new Gate({
    authenticate:
      options.authenticate ??
      (async (token) => {
        if (token === TOKEN) return caller();
        throw new OpsError("UNAUTHENTICATED", "the token is unknown");
      }),
    permit: options.permit ?? (() => ({ kind: "allow", because: "test" })),
  });
  const meter = createRequestMeter(metrics, system.clock);
  const services = options.services ?? [];
  const api = new OperatorApi(services, { gate, system, logger });
  const httpDoor = new HttpDoor({
    gate,
    meter,
    system,
    logger,
    shapes: [PROMETHEUS_ERRORS, ALERTMANAGER_ERRORS],
  });
  const grpcDoor = new GrpcDoor({ gate, meter, system, logger, api });
  const serving = new Serving();
  serving.set(true);
  const eventLoop = new EventLoopLag(system.clock);
  const readiness = new ReadinessWatch({
    dependencies: options.dependencies ?? [],
    system,
    logger: silentLogger,
    serving,
  });
  eventLoop.start();
  readiness.start();
  const rules = httpRules(services.map(({ service }) => service));
  const root = edgeModule({
    api,
    httpDoor,
    grpcDoor,
    agents: {
      enroll: async () => ({}),
      serve: (call) => void call.end(),
      drain: async () => {},
      ...options.agents,
    },
    document: openApi(rules, { title: "Mainstay", version: "0.0.0", comments: {} }),
    prometheus: options.prometheus ?? { api: [], federate: NOTHING },
    alertmanager: options.alertmanager ?? [],
    reload: options.reload ?? (async () => []),
    probes: {
      version: "0.0.0",
      clock: system.clock,
      startedAt: system.clock.monotonic(),
      eventLoop,
      readiness,
      checks: new HealthChecks(options.checks ?? [], system.clock),
      failover: new FailoverCheck({
        clock: system.clock,
        serving: () => serving.isServing(),
        live: () => true,
        writable: async () => true,
        leadership: () => "led",
      }),
      metrics,
    },
    serving,
  });
  const any = { host: "127.0.0.1", port: 0 };
  const identity = await testIdentity();
  const operator = options.tls === true ? identity : undefined;
  const doors = await openDoors({
    root,
    system,
    logger,
    httpDoor,
    grpcDoor,
    services,
    rest: { ...any, tls: operator },
    grpc: { ...any, tls: operator },
    agents: { ...any, tls: identity, admission: options.admission ?? new Admission(system.clock) },
  });
  return {
    ...doors,
    rest: `http${operator === undefined ? "" : "s"}://127.0.0.1:${doors.restPort}`,
    identity,
    metrics,
    serving,
    eventLoop,
    lines,
    close: async () => {
      grpcDoor.close();
      eventLoop.stop();
      await readiness.stop();
      await doors.close();
    },
  };
}

let authority: Promise<CertificateAuthority> | undefined;

/** A new certificate of one authority that is made for the test run. */
export async function testIdentity(): Promise<Required<TlsIdentity>> {
  const kept = new Map<string, string>();
  authority ??= CertificateAuthority.open({
    store: {
      place: "memory",
      read: async (name) => kept.get(name),
      create: async (name, text) => void kept.set(name, text),
    },
    system,
    clientLifetime: DAY,
  });
  const made = await authority;
  const { chainPem, keyPem } = await made.issueForServer([]);
  return { certificatePem: chainPem, keyPem, clientCaPem: made.certificatePem };
}
