/** The control plane, as this server sees it: the operator contracts, one room each, asked on behalf of a caller. */

import { Channel, credentials } from "@grpc/grpc-js";
import type { BreakerFigures } from "@mainstay/proto/circuit-breaker";
import { createGrpcClient } from "@mainstay/proto/client";
import { Health, HealthCheckResponse_ServingStatus } from "@mainstay/proto/gen/grpc/health/v1/health_pb";
import { AccessService } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { AlertsService } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { HealthService } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { McpService } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { MetricsService } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { RecoveryService } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { RequestStatesService } from "@mainstay/proto/gen/mainstay/operator/v1/request_states_pb";
import { RolloutsService } from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { RunbooksService } from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { SafetyService } from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import { type ErrorCode, OpsError } from "../errors.js";
import { systemClock } from "../system.js";
import { accessRoom, delegationRoom } from "./access.js";
import { alertsRoom } from "./alerts.js";
import { createBreaker, guardOf } from "./breaker.js";
import { commandsRoom } from "./commands.js";
import { answered } from "./errors.js";
import { fleetRoom } from "./fleet.js";
import { healthRoom } from "./health.js";
import { journalRoom } from "./journal.js";
import { openLine, type Speaker } from "./line.js";
import { mcpRoom } from "./mcp.js";
import { metricsRoom } from "./metrics.js";
import { recoveryRoom } from "./recovery.js";
import { requestStatesRoom } from "./request-states.js";
import { runbooksRoom } from "./runbooks.js";
import { rolloutsRoom, safetyRoom } from "./safety.js";

export interface ControlPlaneOptions {
  /** host:port of the operator gRPC. */
  readonly address: string;
  readonly security: "plaintext" | "system-ca" | { readonly ca: Buffer };
  /** Milliseconds an ordinary call may take. */
  readonly timeoutMs: number;
}

/** A page of 1,000 certificates is about 1 MiB; this is room for odd ones, and an end. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** After a restart of the control plane the line is up again within seconds, not grpc-js' two minutes. */
const LINE = {
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 3_000,
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.primary_user_agent": "mainstay-mcp-server",
} as const;

/** Statuses that say that nobody is there; every other one is an answer. */
const NOBODY: ReadonlySet<ErrorCode> = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);

export type ControlPlane = ReturnType<typeof connectControlPlane>;
export type Rooms = ReturnType<ControlPlane["speakAs"]>;

/** Opens the line; connecting itself happens with the first call. */
export function connectControlPlane({ address, security, timeoutMs }: ControlPlaneOptions) {
  const credential =
    security === "plaintext"
      ? credentials.createInsecure()
      : credentials.createSsl(security === "system-ca" ? null : security.ca);
  // One channel for all services: one connection, one back-off.
  const channelOverride = new Channel(address, credential, {
    ...LINE,
    "grpc.max_receive_message_length": ANSWER_BYTES_MAX,
  });
  let away = false;
  const breaker = createBreaker(address, () => systemClock.now());
  const unguarded = { channelOverride, defaultTimeoutMs: timeoutMs };
  const options = { ...unguarded, guard: guardOf(breaker) };
  const clients = {
    access: createGrpcClient(AccessService, address, credential, options),
    alerts: createGrpcClient(AlertsService, address, credential, options),
    commands: createGrpcClient(CommandsService, address, credential, options),
    fleet: createGrpcClient(FleetService, address, credential, options),
    health: createGrpcClient(HealthService, address, credential, options),
    journal: createGrpcClient(JournalService, address, credential, options),
    mcp: createGrpcClient(McpService, address, credential, options),
    metrics: createGrpcClient(MetricsService, address, credential, options),
    recovery: createGrpcClient(RecoveryService, address, credential, options),
    requestStates: createGrpcClient(RequestStatesService, address, credential, options),
    rollouts: createGrpcClient(RolloutsService, address, credential, options),
    runbooks: createGrpcClient(RunbooksService, address, credential, options),
    safety: createGrpcClient(SafetyService, address, credential, options),
    // Whether the control plane is there is asked whatever came of other calls.
    serving: createGrpcClient(Health, address, credential, unguarded),
  };
  /** One look whether it serves; throws UNAVAILABLE. */
  const serves = async (withinMs: number): Promise<void> => {
    let status: HealthCheckResponse_ServingStatus;
    try {
      const call = clients.serving.check({ service: "" }, { timeoutMs: withinMs });
      status = (await answered(address, call)).status;
    } catch (error) {
      // One that answers UNIMPLEMENTED or UNAUTHENTICATED is there all the same.
      if (error instanceof OpsError && !NOBODY.has(error.code)) return;
      throw error;
    }
    if (status === HealthCheckResponse_ServingStatus.NOT_SERVING)
      throw new OpsError("UNAVAILABLE", `the control plane at ${address} is not serving`);
  };
  return {
    address,
    /** Whether it is called now, or left alone for a while because it did not answer. */
    breaker: (): BreakerFigures => breaker.figures,
    /** Every call on these rooms carries the speaker's token and trace. */
    speakAs(speaker: Speaker) {
      // Made when asked for: a call uses one or two of them.
      return {
        get access() {
          return accessRoom(openLine(clients.access, address, speaker, timeoutMs));
        },
        get alerts() {
          return alertsRoom(openLine(clients.alerts, address, speaker, timeoutMs));
        },
        get commands() {
          return commandsRoom(openLine(clients.commands, address, speaker, timeoutMs));
        },
        get fleet() {
          return fleetRoom(openLine(clients.fleet, address, speaker, timeoutMs));
        },
        get health() {
          return healthRoom(openLine(clients.health, address, speaker, timeoutMs));
        },
        get journal() {
          return journalRoom(openLine(clients.journal, address, speaker, timeoutMs));
        },
        get mcp() {
          return mcpRoom(openLine(clients.mcp, address, speaker, timeoutMs));
        },
        get metrics() {
          return metricsRoom(openLine(clients.metrics, address, speaker, timeoutMs));
        },
        get recovery() {
          return recoveryRoom(openLine(clients.recovery, address, speaker, timeoutMs));
        },
        get requestStates() {
          return requestStatesRoom(openLine(clients.requestStates, address, speaker, timeoutMs));
        },
        get rollouts() {
          return rolloutsRoom(openLine(clients.rollouts, address, speaker, timeoutMs));
        },
        get runbooks() {
          return runbooksRoom(openLine(clients.runbooks, address, speaker, timeoutMs));
        },
        get safety() {
          return safetyRoom(openLine(clients.safety, address, speaker, timeoutMs));
        },
      };
    },
    /** As this server itself, with a token that may speak for others. */
    delegateAs(speaker: Speaker) {
      return delegationRoom(openLine(clients.mcp, address, speaker, timeoutMs));
    },
    /** Resolves when the control plane answers within `withinMs` and says that it serves; else throws UNAVAILABLE and says why. */
    async reach(withinMs: number): Promise<void> {
      try {
        await serves(withinMs);
      } catch (error) {
        away = true;
        throw error;
      }
      // It was away and says itself that it is back: there is no reason to wait for the minute's end.
      if (away) breaker.reset();
      away = false;
    },
    close(): void {
      for (const client of Object.values(clients)) client.close();
    },
  };
}
