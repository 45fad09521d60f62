/**
 * What this host lets itself be asked. The policy stands in a local file and is the host's own word: the control plane
 * can ask for less than it allows, never for more. What is not named is denied.
 */

import { createHash } from "node:crypto";
import type { Fields } from "../fields.js";
import { type ActionName, actionNames } from "./action-names.js";
import { canonicalJson } from "./canonical.js";
import { type DeclaredDatabase, readDatabases } from "./permits/databases.js";
import { type HeapSnapshotPolicy, readHeapSnapshot } from "./permits/heap-snapshot.js";
import { type KubernetesAction, type KubernetesPolicy, readKubernetes } from "./permits/kubernetes.js";
import { type MaintainTablePolicy, readMaintainTable } from "./permits/maintain-table.js";
import { type NetcheckPolicy, readNetcheck } from "./permits/netcheck.js";
import { type PgbouncerPolicy, readPgbouncer } from "./permits/pgbouncer.js";
import { type DeclaredProcess, readProcesses, unitName } from "./permits/processes.js";
import { type RedisPolicy, readRedis } from "./permits/redis.js";
import { type ReloadServicePolicy, readReloadService } from "./permits/reload-service.js";
import { type RenewCertificatePolicy, readRenewCertificate } from "./permits/renew-certificate.js";
import { type RestoreDrillPolicy, readRestoreDrill } from "./permits/restore-drill.js";
import { type RotateLogsPolicy, readRotateLogs } from "./permits/rotate-logs.js";
import { readScalePool, type ScalePoolPolicy } from "./permits/scale-pool.js";
import { readSetBackendState, type SetBackendStatePolicy } from "./permits/set-backend-state.js";
import {
  readSetPostgresParameter,
  type SetPostgresParameterPolicy,
} from "./permits/set-postgres-parameter.js";
import { readTerminateQuery, type TerminateQueryPolicy } from "./permits/terminate-query.js";
import { absolutePath } from "./verdict.js";

/** Everything this host allows. An absent part denies its action. */
export interface LocalPolicy {
  readonly cleanDirectory: CleanDirectoryPolicy | undefined;
  readonly restartService: RestartServicePolicy | undefined;
  readonly endIdleSessions: EndIdleSessionsPolicy | undefined;
  readonly collectDiagnostics: boolean;
  readonly terminateQuery: TerminateQueryPolicy | undefined;
  readonly maintainTable: MaintainTablePolicy | undefined;
  readonly setPostgresParameter: SetPostgresParameterPolicy | undefined;
  readonly reloadService: ReloadServicePolicy | undefined;
  readonly rotateLogs: RotateLogsPolicy | undefined;
  /** For both saving and restarting. */
  readonly redis: RedisPolicy | undefined;
  readonly netcheck: NetcheckPolicy | undefined;
  readonly setBackendState: SetBackendStatePolicy | undefined;
  /** For pausing, resuming and reloading. */
  readonly pgbouncer: PgbouncerPolicy | undefined;
  readonly scalePool: ScalePoolPolicy | undefined;
  readonly heapSnapshot: HeapSnapshotPolicy | undefined;
  readonly renewCertificate: RenewCertificatePolicy | undefined;
  /** For all actions on clusters. */
  readonly kubernetes: KubernetesPolicy | undefined;
  readonly restoreDrill: RestoreDrillPolicy | undefined;
}

/** Directories below which old files may be deleted. */
export interface CleanDirectoryPolicy {
  /** Absolute paths. */
  readonly roots: readonly string[];
  /** The most that one run may delete; undefined for no bound. */
  readonly maxBytes: number | undefined;
  /** The youngest file that may go, in seconds since it last changed. Default 3600. */
  readonly minAgeSeconds: number;
}

/** Services that may be restarted. */
export interface RestartServicePolicy {
  /** systemd units, such as `nginx.service`. */
  readonly units: readonly string[];
  readonly processes: readonly DeclaredProcess[];
}

/** Databases whose idle sessions may be ended. */
export interface EndIdleSessionsPolicy {
  readonly databases: readonly DeclaredDatabase[];
  /** The shortest idleness that may be ended, in seconds. Default 600. */
  readonly minIdleSeconds: number;
}

/** Reads the `actions` part of the configuration. */
export function readPolicy(fields: Fields): LocalPolicy {
  const policy: LocalPolicy = {
    cleanDirectory: part(fields, "cleanDirectory", readCleanDirectory),
    restartService: part(fields, "restartService", readRestartService),
    endIdleSessions: part(fields, "endIdleSessions", readEndIdleSessions),
    collectDiagnostics: readCollectDiagnostics(fields.within("collectDiagnostics")),
    terminateQuery: part(fields, "terminateQuery", readTerminateQuery),
    maintainTable: part(fields, "maintainTable", readMaintainTable),
    setPostgresParameter: part(fields, "setPostgresParameter", readSetPostgresParameter),
    reloadService: part(fields, "reloadService", readReloadService),
    rotateLogs: part(fields, "rotateLogs", readRotateLogs),
    redis: part(fields, "redis", readRedis),
    netcheck: part(fields, "netcheck", readNetcheck),
    setBackendState: part(fields, "setBackendState", readSetBackendState),
    pgbouncer: part(fields, "pgbouncer", readPgbouncer),
    scalePool: part(fields, "scalePool", readScalePool),
    heapSnapshot: part(fields, "heapSnapshot", readHeapSnapshot),
    renewCertificate: part(fields, "renewCertificate", readRenewCertificate),
    kubernetes: part(fields, "kubernetes", readKubernetes),
    restoreDrill: part(fields, "restoreDrill", readRestoreDrill),
  };
  fields.done();
  return policy;
}

function part<T>(fields: Fields, key: string, read: (fields: Fields) => T): T | undefined {
  return fields.has(key) ? read(fields.within(key)) : undefined;
}

function readCleanDirectory(fields: Fields): CleanDirectoryPolicy {
  const roots = fields.texts("roots", "an absolute path", absolutePath);
  for (const [index, root] of roots.entries()) {
    if (/^\/+$/.test(root)) fields.fault(`roots[${index}]`, root, "a directory below /");
  }
  const most = fields.has("maxBytes") ? fields.integer("maxBytes", 0, 1, Number.MAX_SAFE_INTEGER) : undefined;
  const read = {
    roots,
    maxBytes: most,
    minAgeSeconds: fields.integer("minAgeSeconds", 3600, 0, 10 * 365 * 86_400),
  };
  fields.done();
  return read;
}

function readRestartService(fields: Fields): RestartServicePolicy {
  const units = fields.texts("units", "a systemd unit such as nginx.service", unitName);
  const processes = readProcesses(fields);
  fields.done();
  return { units, processes };
}

function readEndIdleSessions(fields: Fields): EndIdleSessionsPolicy {
  const databases = readDatabases(fields);
  const read = { databases, minIdleSeconds: fields.integer("minIdleSeconds", 600, 1, 365 * 86_400) };
  fields.done();
  return read;
}

function readCollectDiagnostics(fields: Fields): boolean {
  const enabled = fields.flag("enabled", false);
  fields.done();
  return enabled;
}

/** The actions that the policy allows at all, for the agent's greeting. */
export function allowedActions(policy: LocalPolicy): ActionName[] {
  const allowed: Readonly<Record<ActionName, boolean>> = {
    "clean-directory": (policy.cleanDirectory?.roots.length ?? 0) > 0,
    "restart-service":
      (policy.restartService?.units.length ?? 0) + (policy.restartService?.processes.length ?? 0) > 0,
    "end-idle-sessions": (policy.endIdleSessions?.databases.length ?? 0) > 0,
    "collect-diagnostics": policy.collectDiagnostics,
    "terminate-query": (policy.terminateQuery?.databases.length ?? 0) > 0,
    "maintain-table":
      (policy.maintainTable?.databases.length ?? 0) > 0 && (policy.maintainTable?.operations.length ?? 0) > 0,
    "reload-service":
      (policy.reloadService?.units.length ?? 0) + (policy.reloadService?.processes.length ?? 0) > 0,
    "rotate-logs": (policy.rotateLogs?.logs.length ?? 0) > 0,
    "redis-save": (policy.redis?.servers.length ?? 0) > 0,
    "redis-restart": policy.redis?.servers.some(({ process }) => process !== undefined) === true,
    "set-backend-state": policy.setBackendState?.proxies.some(({ backends }) => backends.length > 0) === true,
    netcheck: (policy.netcheck?.targets.length ?? 0) > 0,
    "pgbouncer-pause": policy.pgbouncer?.bouncers.some(({ databases }) => databases.length > 0) === true,
    "pgbouncer-resume": policy.pgbouncer?.bouncers.some(({ databases }) => databases.length > 0) === true,
    "pgbouncer-reload": (policy.pgbouncer?.bouncers.length ?? 0) > 0,
    "scale-pool": (policy.scalePool?.pools.length ?? 0) > 0,
    "heap-snapshot": (policy.heapSnapshot?.processes.length ?? 0) > 0,
    "renew-certificate": (policy.renewCertificate?.certificates.length ?? 0) > 0,
    "evict-pod": isAllowedInCluster(policy, "evict-pod"),
    "scale-workload": isAllowedInCluster(policy, "scale-workload"),
    "rollout-restart": isAllowedInCluster(policy, "rollout-restart"),
    "rollout-undo": isAllowedInCluster(policy, "rollout-undo"),
    "cordon-node": isAllowedInCluster(policy, "cordon-node"),
    "uncordon-node": isAllowedInCluster(policy, "uncordon-node"),
    "drain-node": isAllowedInCluster(policy, "drain-node"),
    "restore-drill": (policy.restoreDrill?.repositories.length ?? 0) > 0,
    "set-postgres-parameter": (policy.setPostgresParameter?.parameters.length ?? 0) > 0,
  };
  return actionNames.filter((action) => allowed[action]);
}

function isAllowedInCluster({ kubernetes }: LocalPolicy, action: KubernetesAction): boolean {
  return kubernetes?.clusters.some(({ actions }) => actions.includes(action)) === true;
}

/** SHA-256 (hex) over the policy, without what is secret in it: a change of what this host allows is seen from afar. */
export function policyHash(policy: LocalPolicy): string {
  return createHash("sha256")
    .update(canonicalJson(withoutPlaces(policy)))
    .digest("hex");
}

/** Where a database is and how one logs in is no part of what is allowed. */
function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== "object" || value === null) return value;
  const shown = Object.entries(value).filter(([key]) => key !== "url" && key !== "urlFile");
  return Object.fromEntries(shown.map(([key, member]) => [key, withoutPlaces(member)]));
}
