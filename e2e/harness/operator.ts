/** A person at the operator's doors: typed gRPC, and REST. */

import type { DescService } from "@bufbuild/protobuf";
import { credentials, InterceptingCall, type Interceptor } from "@grpc/grpc-js";
import { createGrpcClient } from "@mainstay/proto/client";
import { AccessService } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { AlertsService } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { BackupsService } from "@mainstay/proto/gen/mainstay/operator/v1/backups_pb";
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { DrillsService } from "@mainstay/proto/gen/mainstay/operator/v1/drills_pb";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { HealthService } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { McpService } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { MetricsService } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { RecoveryService } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { RegionService } from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import { RemediationService } from "@mainstay/proto/gen/mainstay/operator/v1/remediation_pb";
import { RolloutsService } from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { RunbooksService } from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { SafetyService } from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import { TrafficService } from "@mainstay/proto/gen/mainstay/operator/v1/traffic_pb";

/** Shows the token with every call; grpc-js takes call credentials over TLS only, and these doors are on loopback. */
const bearer =
  (token: string): Interceptor =>
  (options, next) =>
    new InterceptingCall(next(options), {
      start: (metadata, listener, go) => {
        metadata.set("authorization", `Bearer ${token}`);
        go(metadata, listener);
      },
    });

export class Operator {
  readonly token: string;
  readonly #grpcPort: number;
  readonly #restPort: number;
  readonly #over: { readonly host: string; readonly caPem: string } | undefined;
  readonly #open: { close(): void }[] = [];

  /** `over`: where the doors are when not on loopback, and whom to trust there; for gRPC. */
  constructor(
    token: string,
    grpcPort: number,
    restPort: number,
    over?: { readonly host: string; readonly caPem: string },
  ) {
    this.token = token;
    this.#grpcPort = grpcPort;
    this.#restPort = restPort;
    this.#over = over;
  }

  readonly access = this.#client(AccessService);
  readonly alerts = this.#client(AlertsService);
  readonly commands = this.#client(CommandsService);
  readonly fleet = this.#client(FleetService);
  readonly health = this.#client(HealthService);
  readonly journal = this.#client(JournalService);
  readonly mcp = this.#client(McpService);
  readonly metrics = this.#client(MetricsService);
  readonly recovery = this.#client(RecoveryService);
  readonly drills = this.#client(DrillsService);
  readonly backups = this.#client(BackupsService);
  readonly region = this.#client(RegionService);
  readonly runbooks = this.#client(RunbooksService);
  readonly remediation = this.#client(RemediationService);
  readonly rollouts = this.#client(RolloutsService);
  readonly safety = this.#client(SafetyService);
  readonly traffic = this.#client(TrafficService);

  /** Made when first used, for the ports are known only then. */
  #client<S extends DescService>(service: S) {
    type Made = ReturnType<typeof createGrpcClient<S>>;
    let made: Made | undefined;
    return (): Made => {
      if (made === undefined) {
        const over = this.#over;
        const call = over ? credentials.createSsl(Buffer.from(over.caPem)) : credentials.createInsecure();
        made = createGrpcClient(service, `${over?.host ?? "127.0.0.1"}:${this.#grpcPort}`, call, {
          ...(over === undefined ? {} : { "grpc.ssl_target_name_override": "control-plane.mainstay" }),
          interceptors: [bearer(this.token)],
          "grpc.initial_reconnect_backoff_ms": 100,
          "grpc.max_reconnect_backoff_ms": 500,
        });
        this.#open.push(made);
      }
      return made;
    };
  }

  /** A REST call: the status and the parsed body. */
  async rest(
    path: string,
    init: { readonly method?: string; readonly body?: unknown; readonly token?: string } = {},
  ) {
    const response = await fetch(`http://127.0.0.1:${this.#restPort}${path}`, {
      method: init.method ?? "GET",
      headers: {
        ...(init.token === "" ? {} : { authorization: `Bearer ${init.token ?? this.token}` }),
        ...(init.body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, text, body: (isJson ? JSON.parse(text) : undefined) as unknown };
  }

  close(): void {
    for (const client of this.#open) client.close();
  }
}
