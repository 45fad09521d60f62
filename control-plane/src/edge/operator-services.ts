/** The operator services there are, each with the room that answers it, and the document that describes them. */
import type { JsonObject } from "@bufbuild/protobuf";
import { comments } from "@mainstay/proto/gen/comments";
import { AccessService } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
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
import { RequestStatesService } from "@mainstay/proto/gen/mainstay/operator/v1/request_states_pb";
import { RolloutsService } from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { RoutesService } from "@mainstay/proto/gen/mainstay/operator/v1/routes_pb";
import { RunbooksService } from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { SafetyService } from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import { TopologyService } from "@mainstay/proto/gen/mainstay/operator/v1/topology_pb";
import { TrafficService } from "@mainstay/proto/gen/mainstay/operator/v1/traffic_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import type { CallContext } from "../platform/call.js";
import { type OperatorService, operatorService } from "./operator-api.js";
import { httpRules } from "./rest/http-rule.js";
import { openApi } from "./rest/openapi.js";

export interface OperatorImplementations {
  readonly access: ServiceImplementation<typeof AccessService, CallContext>;
  readonly mcp: ServiceImplementation<typeof McpService, CallContext>;
  readonly fleet: ServiceImplementation<typeof FleetService, CallContext>;
  readonly metrics: ServiceImplementation<typeof MetricsService, CallContext>;
  readonly alerts: ServiceImplementation<typeof AlertsService, CallContext>;
  readonly routes: ServiceImplementation<typeof RoutesService, CallContext>;
  readonly commands: ServiceImplementation<typeof CommandsService, CallContext>;
  readonly outputs: ServiceImplementation<typeof OutputsService, CallContext>;
  readonly runbooks: ServiceImplementation<typeof RunbooksService, CallContext>;
  readonly breakers: ServiceImplementation<typeof BreakersService, CallContext>;
  readonly journal: ServiceImplementation<typeof JournalService, CallContext>;
  readonly health: ServiceImplementation<typeof HealthService, CallContext>;
  readonly remediation: ServiceImplementation<typeof RemediationService, CallContext>;
  readonly rollouts: ServiceImplementation<typeof RolloutsService, CallContext>;
  readonly safety: ServiceImplementation<typeof SafetyService, CallContext>;
  readonly recovery: ServiceImplementation<typeof RecoveryService, CallContext>;
  readonly drills: ServiceImplementation<typeof DrillsService, CallContext>;
  readonly backups: ServiceImplementation<typeof BackupsService, CallContext>;
  readonly region: ServiceImplementation<typeof RegionService, CallContext>;
  readonly topology: ServiceImplementation<typeof TopologyService, CallContext>;
  readonly traffic: ServiceImplementation<typeof TrafficService, CallContext>;
  readonly requestStates: ServiceImplementation<typeof RequestStatesService, CallContext>;
}

/** A room's service is added here, and nowhere else in this folder. */
export function operatorServices(rooms: OperatorImplementations): readonly OperatorService[] {
  return [
    operatorService(HealthService, rooms.health),
    operatorService(FleetService, rooms.fleet),
    operatorService(MetricsService, rooms.metrics),
    operatorService(AlertsService, rooms.alerts),
    operatorService(RoutesService, rooms.routes),
    operatorService(CommandsService, rooms.commands),
    operatorService(OutputsService, rooms.outputs),
    operatorService(RunbooksService, rooms.runbooks),
    operatorService(BreakersService, rooms.breakers),
    operatorService(JournalService, rooms.journal),
    operatorService(RemediationService, rooms.remediation),
    operatorService(RolloutsService, rooms.rollouts),
    operatorService(SafetyService, rooms.safety),
    operatorService(TopologyService, rooms.topology),
    operatorService(RecoveryService, rooms.recovery),
    operatorService(DrillsService, rooms.drills),
    operatorService(BackupsService, rooms.backups),
    operatorService(RegionService, rooms.region),
    operatorService(TrafficService, rooms.traffic),
    operatorService(AccessService, rooms.access),
    operatorService(McpService, rooms.mcp),
    operatorService(RequestStatesService, rooms.requestStates),
  ];
}

export function describeServices(services: readonly OperatorService[], version: string): JsonObject {
  const rules = httpRules(services.map(({ service }) => service));
  return openApi(rules, { title: "Mainstay", version, comments });
}
