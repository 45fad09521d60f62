/** The control plane, as this server sees it: the operator contracts, one room each, asked on behalf of a caller. */

import type { DescService } from "@bufbuild/protobuf";
import { Channel, type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { BreakerFigures } from "@mainstay/proto/circuit-breaker";
import { createGrpcClient, type GrpcClient, type GrpcClientOptions } from "@mainstay/proto/client";
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
import { RegionService } from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
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
import { type Line, openLine, type Speaker } from "./line.js";
import { mcpRoom } from "./mcp.js";
import { metricsRoom } from "./metrics.js";
import { recoveryRoom } from "./recovery.js";
import { regionRoom } from "./region.js";
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
/** What of the control plane one caller may ask. */
export type Rooms = { readonly [Room in keyof SpokenRooms]: SpokenRooms[Room] };

type Clients = ReturnType<typeof openClients>;

function openClients(address: string, credential: ChannelCredentials, options: GrpcClientOptions) {
  return {
    access: createGrpcClient(AccessService, address, credential, options),
    alerts: createGrpcClient(AlertsService, address, credential, options),
    commands: createGrpcClient(CommandsService, address, credential, options),
    fleet: createGrpcClient(FleetService, address, credential, options),
    health: createGrpcClient(HealthService, address, credential, options),
    journal: createGrpcClient(JournalService, address, credential, options),
    mcp: createGrpcClient(McpService, address, credential, options),
    metrics: createGrpcClient(MetricsService, address, credential, options),
    recovery: createGrpcClient(RecoveryService, address, credential, options),
    region: createGrpcClient(RegionService, address, credential, options),
    requestStates: createGrpcClient(RequestStatesService, address, credential, options),
    rollouts: createGrpcClient(RolloutsService, address, credential, options),
    runbooks: createGrpcClient(RunbooksService, address, credential, options),
    safety: createGrpcClient(SafetyService, address, credential, options),
  };
}

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
  const clients = openClients(address, credential, { ...unguarded, guard: guardOf(breaker) });
  // Whether the control plane is there is asked whatever came of other calls.
  const serving = createGrpcClient(Health, address, credential, unguarded);
  /** One look whether it serves; throws UNAVAILABLE. */
  const serves = async (withinMs: number): Promise<void> => {
    let status: HealthCheckResponse_ServingStatus;
    try {
      const call = serving.check({ service: "" }, { timeoutMs: withinMs });
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
    speakAs(speaker: Speaker): Rooms {
      return new SpokenRooms(clients, address, speaker, timeoutMs);
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
      for (const client of [serving, ...Object.values(clients)]) client.close();
    },
  };
}

/** Each room is made when it is asked for: a call uses one or two of them. */
class SpokenRooms {
  readonly #clients: Clients;
  readonly #address: string;
  readonly #speaker: Speaker;
  readonly #timeoutMs: number;

  constructor(clients: Clients, address: string, speaker: Speaker, timeoutMs: number) {
    this.#clients = clients;
    this.#address = address;
    this.#speaker = speaker;
    this.#timeoutMs = timeoutMs;
  }

  get access() {
    return accessRoom(this.#line(this.#clients.access));
  }
  get alerts() {
    return alertsRoom(this.#line(this.#clients.alerts));
  }
  get commands() {
    return commandsRoom(this.#line(this.#clients.commands));
  }
  get fleet() {
    return fleetRoom(this.#line(this.#clients.fleet));
  }
  get health() {
    return healthRoom(this.#line(this.#clients.health));
  }
  get journal() {
    return journalRoom(this.#line(this.#clients.journal));
  }
  get mcp() {
    return mcpRoom(this.#line(this.#clients.mcp));
  }
  get metrics() {
    return metricsRoom(this.#line(this.#clients.metrics));
  }
  get recovery() {
    return recoveryRoom(this.#line(this.#clients.recovery));
  }
  get region() {
    return regionRoom(this.#line(this.#clients.region));
  }
  get requestStates() {
    return requestStatesRoom(this.#line(this.#clients.requestStates));
  }
  get rollouts() {
    return rolloutsRoom(this.#line(this.#clients.rollouts));
  }
  get runbooks() {
    return runbooksRoom(this.#line(this.#clients.runbooks));
  }
  get safety() {
    return safetyRoom(this.#line(this.#clients.safety));
  }

  #line<S extends DescService>(client: GrpcClient<S>): Line<S> {
    return openLine(client, this.#address, this.#speaker, this.#timeoutMs);
  }
}
