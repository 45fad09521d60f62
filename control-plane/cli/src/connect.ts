/** The operator contract, as the person whose token is in the file. */
import { readFile } from "node:fs/promises";
import type { DescService } from "@bufbuild/protobuf";
import { credentials, InterceptingCall, type Interceptor } from "@grpc/grpc-js";
import { createGrpcClient, type GrpcClient } from "@mainstay/proto/client";
import { AlertsService } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { BackupsService } from "@mainstay/proto/gen/mainstay/operator/v1/backups_pb";
import { BreakersService } from "@mainstay/proto/gen/mainstay/operator/v1/breakers_pb";
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { DrillsService } from "@mainstay/proto/gen/mainstay/operator/v1/drills_pb";
import { FleetService } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { HealthService } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import { JournalService } from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { McpService } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { MetricsService } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { OutputsService } from "@mainstay/proto/gen/mainstay/operator/v1/outputs_pb";
import { RecoveryService } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { RegionService } from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import { RemediationService } from "@mainstay/proto/gen/mainstay/operator/v1/remediation_pb";
import { RolloutsService } from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { RoutesService } from "@mainstay/proto/gen/mainstay/operator/v1/routes_pb";
import { RunbooksService } from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { SafetyService } from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import { TopologyService } from "@mainstay/proto/gen/mainstay/operator/v1/topology_pb";
import { TrafficService } from "@mainstay/proto/gen/mainstay/operator/v1/traffic_pb";
import { messageOf } from "#src/kernel/errors";
import { Failure } from "./failure.js";
import type { Settings } from "./settings.js";

const TIMEOUT_MS = 15_000;

export interface ControlPlane {
  readonly alerts: GrpcClient<typeof AlertsService>;
  readonly breakers: GrpcClient<typeof BreakersService>;
  readonly commands: GrpcClient<typeof CommandsService>;
  readonly fleet: GrpcClient<typeof FleetService>;
  readonly health: GrpcClient<typeof HealthService>;
  readonly journal: GrpcClient<typeof JournalService>;
  readonly mcp: GrpcClient<typeof McpService>;
  readonly metrics: GrpcClient<typeof MetricsService>;
  readonly outputs: GrpcClient<typeof OutputsService>;
  readonly runbooks: GrpcClient<typeof RunbooksService>;
  readonly recovery: GrpcClient<typeof RecoveryService>;
  readonly drills: GrpcClient<typeof DrillsService>;
  readonly backups: GrpcClient<typeof BackupsService>;
  readonly region: GrpcClient<typeof RegionService>;
  readonly remediation: GrpcClient<typeof RemediationService>;
  readonly rollouts: GrpcClient<typeof RolloutsService>;
  readonly safety: GrpcClient<typeof SafetyService>;
  readonly routes: GrpcClient<typeof RoutesService>;
  readonly topology: GrpcClient<typeof TopologyService>;
  readonly traffic: GrpcClient<typeof TrafficService>;
  close(): void;
}

/** Throws {@link Failure} when the token or the authority cannot be read. Connects with the first call. */
export async function connect({ address, tokenFiles, caFile }: Settings): Promise<ControlPlane> {
  const token = await readToken(tokenFiles);
  const channel =
    caFile === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(Buffer.from(await readText(caFile, "the authority's certificate")));
  // Call credentials go over TLS only; on loopback the door speaks in the clear.
  const interceptor: Interceptor = (options, next) =>
    new InterceptingCall(next(options), {
      start: (metadata, listener, go) => {
        metadata.set("authorization", `Bearer ${token}`);
        go(metadata, listener);
      },
    });
  const opened: { close(): void }[] = [];
  const client = <S extends DescService>(service: S): GrpcClient<S> => {
    const made = createGrpcClient(service, address, channel, {
      interceptors: [interceptor],
      defaultTimeoutMs: TIMEOUT_MS,
    });
    opened.push(made);
    return made;
  };
  return {
    alerts: client(AlertsService),
    breakers: client(BreakersService),
    commands: client(CommandsService),
    fleet: client(FleetService),
    health: client(HealthService),
    journal: client(JournalService),
    mcp: client(McpService),
    metrics: client(MetricsService),
    outputs: client(OutputsService),
    runbooks: client(RunbooksService),
    recovery: client(RecoveryService),
    drills: client(DrillsService),
    backups: client(BackupsService),
    region: client(RegionService),
    remediation: client(RemediationService),
    rollouts: client(RolloutsService),
    safety: client(SafetyService),
    routes: client(RoutesService),
    topology: client(TopologyService),
    traffic: client(TrafficService),
    close: () => {
      for (const one of opened) one.close();
    },
  };
}

async function readToken(files: readonly string[]): Promise<string> {
  const faults: string[] = [];
  for (const file of files) {
    try {
      return (await readFile(file, "utf8")).trim();
    } catch (error) {
      faults.push(messageOf(error));
    }
  }
  throw new Failure(`there is no token to call with: ${faults.join("; ")}`);
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Failure(`${what} cannot be read: ${messageOf(error)}`);
  }
}
