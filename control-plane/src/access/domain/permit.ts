/**
 * Who may call which operator method: one table, one function. A method without a row is denied to everyone.
 */
import type { Role } from "../../kernel/caller.js";

/** What a method asks of its caller. */
export type Need = "read" | "request" | "approve" | "vote" | "administer" | "delegate";

/** Roles that satisfy a need. An approver reads and approves and does not request: two keys, two people. */
const SATISFIED_BY: Readonly<Record<Need, readonly Role[]>> = {
  read: ["viewer", "operator", "approver", "admin"],
  request: ["operator", "admin"],
  approve: ["approver", "admin"],
  // Who relays the yes of the person that requested needs no approver's role; the desk asks for it from all others.
  vote: ["operator", "approver", "admin"],
  administer: ["admin"],
  // Not even an administrator: whoever speaks for others must have been given just that.
  delegate: ["delegate"],
};

/** Service and method to need. */
const TABLE: Readonly<Record<string, Readonly<Record<string, Need>>>> = {
  AccessService: {
    WhoAmI: "read",
    CreateToken: "administer",
    ListTokens: "administer",
    RevokeToken: "administer",
  },
  AlertsService: {
    ListAlerts: "read",
    GetAlert: "read",
    GetAlertChart: "read",
    ListRules: "read",
    CheckRules: "read",
    ReplayRules: "read",
    ListRuleGroups: "read",
    PutRuleGroup: "administer",
    DeleteRuleGroup: "administer",
  },
  CommandsService: {
    RequestCommand: "request",
    ApplyCommand: "request",
    UndoCommand: "request",
    ApproveCommand: "vote",
    RejectCommand: "approve",
    CancelCommand: "request",
    GetCommand: "read",
    ListCommands: "read",
    WatchCommand: "read",
  },
  OutputsService: {
    SearchOutput: "read",
  },
  FleetService: {
    ListNodes: "read",
    GetNode: "read",
    CreateJoinToken: "administer",
    RevokeNode: "administer",
    ListCertificates: "read",
  },
  HealthService: {
    GetOverview: "read",
  },
  JournalService: {
    ListEntries: "read",
    VerifyJournal: "read",
    WatchJournal: "read",
  },
  RequestStatesService: {
    GetStateKey: "request",
    UseState: "request",
  },
  RemediationService: {
    ListEffects: "read",
  },
  RolloutsService: {
    PlanRollout: "request",
    ApplyRollout: "request",
    ApproveRollout: "approve",
    RejectRollout: "approve",
    PauseRollout: "request",
    ResumeRollout: "request",
    AbortRollout: "request",
    GetRollout: "read",
    ListRollouts: "read",
    WatchRollout: "read",
  },
  SafetyService: {
    GetSafety: "read",
    TripBrake: "request",
    ResetBrake: "approve",
    ListCases: "read",
    CloseCase: "request",
  },
  RoutesService: {
    TestRoutes: "read",
    ReplayRoutes: "read",
  },
  RecoveryService: {
    ListObjectives: "read",
    ListDecisions: "read",
    ExplainDecision: "read",
    ListClusters: "read",
    RegisterCluster: "administer",
    ReleaseCluster: "administer",
    PlanFailover: "request",
    RequestFailover: "request",
    DecideFailover: "approve",
    PauseCluster: "request",
    ListRequests: "read",
    ListDrills: "read",
    StartDrill: "request",
  },
  RegionService: {
    ListRegions: "read",
    PlanRegion: "request",
    RunRegion: "request",
    // To go on with what takes long needs no approver; the desk asks for one where a loss is to be accepted.
    DecideRegion: "vote",
    AbortRegion: "request",
    ExplainRegion: "read",
  },
  DrillsService: {
    RunDrill: "request",
    AbortDrill: "request",
    ListDrillRuns: "read",
    GetDrillRun: "read",
  },
  BackupsService: {
    ListRepositories: "read",
  },
  TopologyService: {
    ListComponents: "read",
    GetImpact: "read",
  },
  TrafficService: {
    ListTargets: "read",
    GetTarget: "read",
    PlanSteer: "request",
    RequestSteer: "request",
    DecideSteer: "approve",
    ListSteers: "read",
  },
  McpService: {
    IssueDelegation: "delegate",
    JournalCalls: "read",
    GetMcpSwitch: "read",
    SetMcpSwitch: "administer",
    ListPrincipalRules: "administer",
    PutPrincipalRule: "administer",
    DeletePrincipalRule: "administer",
  },
  MetricsService: {
    Query: "read",
    QueryRange: "read",
    ListLabelValues: "read",
  },
  BreakersService: {
    ListBreakers: "read",
    TripBreaker: "administer",
    ResetBreaker: "administer",
  },
  RunbooksService: {
    ListRunbooks: "read",
    GetRunbook: "read",
    ValidateRunbook: "read",
    RunRunbook: "request",
    GetRunbookRun: "read",
    ListRunbookRuns: "read",
    CancelRunbookRun: "request",
    WatchRunbookRun: "read",
    DecideRunbookRun: "approve",
  },
};

/** The package whose services the table names. */
const OPERATOR = "mainstay.operator.v1";

/** What the doors of other systems' APIs ask, by API and version. */
const FOREIGN: ReadonlyMap<string, Need> = new Map([
  ["prometheus.v1/Write", "request"],
  ["prometheus.v1/Reload", "administer"],
  ["alertmanager.v2/Read", "read"],
  ["alertmanager.v2/PostAlerts", "request"],
  ["alertmanager.v2/ChangeSilences", "request"],
]);

/** Full method name, as gRPC has it without the leading slash, to its need. */
export const NEEDS: ReadonlyMap<string, Need> = new Map(
  Object.entries(TABLE).flatMap(([service, methods]) =>
    Object.entries(methods).map(([method, need]): [string, Need] => [
      `${OPERATOR}.${service}/${method}`,
      need,
    ]),
  ),
);

/** What a method needs; undefined for one without a row. */
export function needOf(method: string): Need | undefined {
  return NEEDS.get(method) ?? FOREIGN.get(method);
}

/** All that any of the roles may. */
export function needsOf(roles: readonly Role[]): ReadonlySet<Need> {
  const needs = Object.keys(SATISFIED_BY) as Need[];
  return new Set(needs.filter((need) => roles.some((role) => SATISFIED_BY[need].includes(role))));
}

export type Verdict =
  | { readonly kind: "allow"; readonly because: string }
  | { readonly kind: "deny"; readonly because: string };

/** Whether a caller with `roles` may call `method` (`mainstay.operator.v1.FleetService/ListNodes`). */
export function permit(method: string, roles: readonly Role[]): Verdict {
  const need = needOf(method);
  if (need === undefined) return { kind: "deny", because: `${method} is in no row of the permit table` };
  const role = roles.find((held) => SATISFIED_BY[need].includes(held));
  if (role !== undefined) return { kind: "allow", because: `role ${role} may ${need}` };
  const held = roles.length === 0 ? "no role" : `only ${roles.join(", ")}`;
  return {
    kind: "deny",
    because: `${method} needs role ${SATISFIED_BY[need].join(" or ")}; the caller has ${held}`,
  };
}
