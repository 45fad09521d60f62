import { readdirSync, readFileSync } from "node:fs";
import type { DescService } from "@bufbuild/protobuf";
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
import { describe, expect, test } from "vitest";
import type { Role } from "../../kernel/caller.js";
import { NEEDS, permit } from "./permit.js";

const SERVICES: readonly DescService[] = [
  AccessService,
  AlertsService,
  BreakersService,
  CommandsService,
  FleetService,
  HealthService,
  JournalService,
  McpService,
  MetricsService,
  RequestStatesService,
  RemediationService,
  RolloutsService,
  RoutesService,
  RunbooksService,
  SafetyService,
  OutputsService,
  TopologyService,
  RecoveryService,
  TrafficService,
  RegionService,
  DrillsService,
  BackupsService,
];
const methods = SERVICES.flatMap((service) => service.methods.map((m) => `${service.typeName}/${m.name}`));
const PROTO = new URL("../../../../proto/mainstay/operator/v1/", import.meta.url);

describe("the permit table", () => {
  test("has a row for every method of every operator service, and no other row", () => {
    expect([...NEEDS.keys()].sort()).toEqual([...methods].sort());
  });

  test("is checked against every service that the contracts declare", () => {
    const declared = readdirSync(PROTO)
      .flatMap((file) => [...readFileSync(new URL(file, PROTO), "utf8").matchAll(/^service (\w+)/gm)])
      .map((match) => `mainstay.operator.v1.${match[1]}`);
    expect(declared.sort()).toEqual(SERVICES.map((service) => service.typeName).sort());
  });

  test("denies a method it does not know, even to an admin", () => {
    expect(permit("mainstay.operator.v1.FleetService/Burn", ["admin"])).toEqual({
      kind: "deny",
      because: "mainstay.operator.v1.FleetService/Burn is in no row of the permit table",
    });
  });

  const P = "mainstay.operator.v1";
  const rows: readonly (readonly [method: string, allowed: readonly Role[]])[] = [
    [`${P}.FleetService/ListNodes`, ["viewer", "operator", "approver", "admin"]],
    [`${P}.CommandsService/WatchCommand`, ["viewer", "operator", "approver", "admin"]],
    [`${P}.JournalService/VerifyJournal`, ["viewer", "operator", "approver", "admin"]],
    [`${P}.CommandsService/RequestCommand`, ["operator", "admin"]],
    [`${P}.CommandsService/CancelCommand`, ["operator", "admin"]],
    [`${P}.CommandsService/ApproveCommand`, ["operator", "approver", "admin"]],
    [`${P}.CommandsService/RejectCommand`, ["approver", "admin"]],
    [`${P}.SafetyService/TripBrake`, ["operator", "admin"]],
    [`${P}.SafetyService/ResetBrake`, ["approver", "admin"]],
    [`${P}.RolloutsService/ApproveRollout`, ["approver", "admin"]],
    [`${P}.AccessService/CreateToken`, ["admin"]],
    [`${P}.AccessService/ListTokens`, ["admin"]],
    [`${P}.AccessService/RevokeToken`, ["admin"]],
    [`${P}.FleetService/CreateJoinToken`, ["admin"]],
    [`${P}.FleetService/RevokeNode`, ["admin"]],
    [`${P}.McpService/SetMcpSwitch`, ["admin"]],
    [`${P}.McpService/IssueDelegation`, ["delegate"]],
  ];
  const roles: readonly Role[] = ["viewer", "operator", "approver", "admin", "delegate"];
  const cases = rows.flatMap(([method, allowed]) =>
    roles.map((role) => ({ method, role, verdict: allowed.includes(role) ? "allow" : "deny" })),
  );
  test.each(cases)("$role calling $method: $verdict", ({ method, role, verdict }) => {
    expect(permit(method, [role]).kind).toBe(verdict);
  });

  test("says what is missing", () => {
    expect(permit(`${P}.CommandsService/RejectCommand`, ["viewer", "operator"])).toEqual({
      kind: "deny",
      because: `${P}.CommandsService/RejectCommand needs role approver or admin; the caller has only viewer, operator`,
    });
    expect(permit(`${P}.FleetService/ListNodes`, []).because).toContain("the caller has no role");
  });

  test("two roles together may what either may", () => {
    expect(permit(`${P}.CommandsService/ApproveCommand`, ["operator", "approver"]).kind).toBe("allow");
  });
});
