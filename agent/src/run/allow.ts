/** May this host do this: the order's arguments against the local policy. Pure; what is not named is denied. */

import { posix } from "node:path";
import { describeFault, type Fault, Fields } from "../fields.js";
import { allowHeapSnapshot } from "./permits/heap-snapshot.js";
import { allowKubernetes } from "./permits/kubernetes.js";
import { allowMaintainTable } from "./permits/maintain-table.js";
import { allowNetcheck } from "./permits/netcheck.js";
import { allowPgbouncerPause, allowPgbouncerReload, allowPgbouncerResume } from "./permits/pgbouncer.js";
import { allowRedisRestart, allowRedisSave } from "./permits/redis.js";
import { allowReloadService } from "./permits/reload-service.js";
import { allowRenewCertificate } from "./permits/renew-certificate.js";
import { allowRestoreDrill } from "./permits/restore-drill.js";
import { allowRotateLogs } from "./permits/rotate-logs.js";
import { allowScalePool } from "./permits/scale-pool.js";
import { allowSetBackendState } from "./permits/set-backend-state.js";
import { allowSetPostgresParameter } from "./permits/set-postgres-parameter.js";
import { allowTerminateQuery } from "./permits/terminate-query.js";
import type { LocalPolicy } from "./policy.js";
import { deny, oneOf, required, type Verdict } from "./verdict.js";

/**
 * Judges an action. The arguments it answers with are the effective ones: defaults filled in from the policy, so that a
 * plan says exactly what it was made with.
 */
export function allow(policy: LocalPolicy, action: string, argumentsJson: string): Verdict {
  const faults: Fault[] = [];
  const fields = new Fields(parseObject(argumentsJson), "arguments", faults);
  switch (action) {
    case "clean-directory":
      return settle(faults, fields, () => allowCleanDirectory(policy, fields));
    case "restart-service":
      return settle(faults, fields, () => allowRestartService(policy, fields));
    case "end-idle-sessions":
      return settle(faults, fields, () => allowEndIdleSessions(policy, fields));
    case "collect-diagnostics":
      return settle(faults, fields, () =>
        policy.collectDiagnostics
          ? { kind: "allow", arguments: { action } }
          : deny("actions.collectDiagnostics is not enabled on this host"),
      );
    case "terminate-query":
      return settle(faults, fields, () => allowTerminateQuery(policy.terminateQuery, fields));
    case "maintain-table":
      return settle(faults, fields, () => allowMaintainTable(policy.maintainTable, fields));
    case "set-postgres-parameter":
      return settle(faults, fields, () => allowSetPostgresParameter(policy.setPostgresParameter, fields));
    case "reload-service":
      return settle(faults, fields, () => allowReloadService(policy.reloadService, fields));
    case "rotate-logs":
      return settle(faults, fields, () => allowRotateLogs(policy.rotateLogs, fields));
    case "redis-save":
      return settle(faults, fields, () => allowRedisSave(policy.redis, fields));
    case "redis-restart":
      return settle(faults, fields, () => allowRedisRestart(policy.redis, fields));
    case "set-backend-state":
      return settle(faults, fields, () => allowSetBackendState(policy.setBackendState, fields));
    case "restore-drill":
      return settle(faults, fields, () => allowRestoreDrill(policy.restoreDrill, fields));
    case "netcheck":
      return settle(faults, fields, () => allowNetcheck(policy.netcheck, fields));
    case "pgbouncer-pause":
      return settle(faults, fields, () => allowPgbouncerPause(policy.pgbouncer, fields));
    case "pgbouncer-resume":
      return settle(faults, fields, () => allowPgbouncerResume(policy.pgbouncer, fields));
    case "pgbouncer-reload":
      return settle(faults, fields, () => allowPgbouncerReload(policy.pgbouncer, fields));
    case "scale-pool":
      return settle(faults, fields, () => allowScalePool(policy.scalePool, fields));
    case "heap-snapshot":
      return settle(faults, fields, () => allowHeapSnapshot(policy.heapSnapshot, fields));
    case "renew-certificate":
      return settle(faults, fields, () => allowRenewCertificate(policy.renewCertificate, fields));
    case "evict-pod":
    case "scale-workload":
    case "rollout-restart":
    case "rollout-undo":
    case "cordon-node":
    case "uncordon-node":
    case "drain-node":
      return settle(faults, fields, () => allowKubernetes(policy.kubernetes, action, fields));
    default:
      return {
        kind: "deny",
        because: "unknown-action",
        detail: `${action.slice(0, 100)}: this agent has no such action`,
      };
  }
}

function settle(faults: Fault[], fields: Fields, judge: () => Verdict): Verdict {
  const verdict = judge();
  fields.done();
  if (faults.length === 0) return verdict;
  return {
    kind: "deny",
    because: "bad-arguments",
    detail: faults.map(describeFault).join("; ").slice(0, 2000),
  };
}

function allowCleanDirectory(policy: LocalPolicy, fields: Fields): Verdict {
  const path = required(fields, "path", "an absolute path without '..'", /^\/[^\0]*$/);
  const pattern = fields.text(
    "pattern",
    undefined,
    "a file name pattern of at most 255 characters with * and ?",
    /^[^/\0]{1,255}$/,
  );
  const own = policy.cleanDirectory;
  const minAgeSeconds = fields.integer("minAgeSeconds", own?.minAgeSeconds ?? 3600, 0, 10 * 365 * 86_400);
  const asked = fields.has("maxBytes")
    ? fields.integer("maxBytes", 1, 1, Number.MAX_SAFE_INTEGER)
    : undefined;
  if (own === undefined) return deny("actions.cleanDirectory is not set on this host");
  const plain = posix.normalize(path).replace(/(.)\/+$/, "$1");
  if (path.split("/").includes("..")) return deny(`${path}: a path with '..' is not followed`);
  if (!own.roots.some((root) => isWithin(posix.normalize(root), plain))) {
    return deny(`${plain} is not below one of actions.cleanDirectory.roots (${own.roots.join(", ")})`);
  }
  if (minAgeSeconds < own.minAgeSeconds) {
    return deny(`minAgeSeconds ${minAgeSeconds}: this host allows ${own.minAgeSeconds} and more`);
  }
  const maxBytes = smaller(asked, own.maxBytes);
  return {
    kind: "allow",
    arguments: { action: "clean-directory", path: plain, minAgeSeconds, maxBytes, pattern },
  };
}

function allowRestartService(policy: LocalPolicy, fields: Fields): Verdict {
  const unit = fields.text("unit", undefined, "a systemd unit", /^[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,200}$/);
  const process = fields.text(
    "process",
    undefined,
    "a declared process's name",
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  );
  if ((unit === undefined) === (process === undefined)) {
    fields.fault("unit", unit, "either unit or process");
    return deny("neither unit nor process");
  }
  const own = policy.restartService;
  if (own === undefined) return deny("actions.restartService is not set on this host");
  if (unit !== undefined && !own.units.includes(unit))
    return deny(`${unit} is not in actions.restartService.units`);
  if (process !== undefined && !own.processes.some(({ name }) => name === process)) {
    return deny(`${process} is not in actions.restartService.processes`);
  }
  return { kind: "allow", arguments: { action: "restart-service", unit, process } };
}

function allowEndIdleSessions(policy: LocalPolicy, fields: Fields): Verdict {
  const database = required(
    fields,
    "database",
    "a declared database's name",
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  );
  const own = policy.endIdleSessions;
  const idleSeconds = fields.integer("idleSeconds", own?.minIdleSeconds ?? 600, 1, 365 * 86_400);
  const states = oneOf(fields, "states", ["in-transaction", "all"], "in-transaction");
  const limit = fields.integer("limit", 100, 1, 1000);
  if (own === undefined) return deny("actions.endIdleSessions is not set on this host");
  if (!own.databases.some(({ name }) => name === database)) {
    return deny(`${database} is not in actions.endIdleSessions.databases`);
  }
  if (idleSeconds < own.minIdleSeconds) {
    return deny(`idleSeconds ${idleSeconds}: this host allows ${own.minIdleSeconds} and more`);
  }
  return { kind: "allow", arguments: { action: "end-idle-sessions", database, idleSeconds, states, limit } };
}

/** Whether `path` is `root` or lies below it, by their texts; links are looked at when the action runs. */
export function isWithin(root: string, path: string): boolean {
  const base = root.endsWith("/") ? root : `${root}/`;
  return path === root || `${path}/` === base || path.startsWith(base);
}

function smaller(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

/** The JSON value; a text that is no JSON comes back as itself, which is then a fault: it is no mapping. */
function parseObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text === "" ? "{}" : text);
    return value === null ? "null" : value;
  } catch {
    return text.slice(0, 100);
  }
}
