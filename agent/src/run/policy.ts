/**
 * What this host lets itself be asked. The policy stands in a local file and is the host's own word: the control plane
 * can ask for less than it allows, never for more. What is not named is denied.
 */
import { createHash } from "node:crypto";
import type { Fields } from "../fields.js";
import { canonicalJson } from "./canonical.js";

/** Names of the actions, as orders have them. */
export const actionNames = [
  "clean-directory",
  "restart-service",
  "end-idle-sessions",
  "collect-diagnostics",
] as const;
export type ActionName = (typeof actionNames)[number];

/** Everything this host allows. An absent part denies its action. */
export interface LocalPolicy {
  readonly cleanDirectory: CleanDirectoryPolicy | undefined;
  readonly restartService: RestartServicePolicy | undefined;
  readonly endIdleSessions: EndIdleSessionsPolicy | undefined;
  readonly collectDiagnostics: boolean;
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

/** A process that this host knows how to start, for hosts without systemd. */
export interface DeclaredProcess {
  readonly name: string;
  readonly pidFile: string;
  /** Program and arguments; no shell reads them. */
  readonly start: readonly string[];
  /** The signal that asks it to stop. Default SIGTERM. */
  readonly stop: NodeJS.Signals;
}

/** Databases whose idle sessions may be ended. */
export interface EndIdleSessionsPolicy {
  readonly databases: readonly DeclaredDatabase[];
  /** The shortest idleness that may be ended, in seconds. Default 600. */
  readonly minIdleSeconds: number;
}

/** A database by name; where it is stays on this host. */
export interface DeclaredDatabase {
  readonly name: string;
  readonly url: string | undefined;
  readonly urlFile: string | undefined;
}

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const unit = /^[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,200}\.(service|socket|timer|target)$/;
const absolute = /^\/[^\0]*$/;
const stopSignals: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"];

/** Reads the `actions` part of the configuration. */
export function readPolicy(fields: Fields): LocalPolicy {
  const policy: LocalPolicy = {
    cleanDirectory: fields.has("cleanDirectory")
      ? readCleanDirectory(fields.within("cleanDirectory"))
      : undefined,
    restartService: fields.has("restartService")
      ? readRestartService(fields.within("restartService"))
      : undefined,
    endIdleSessions: fields.has("endIdleSessions")
      ? readEndIdleSessions(fields.within("endIdleSessions"))
      : undefined,
    collectDiagnostics: readCollectDiagnostics(fields.within("collectDiagnostics")),
  };
  fields.done();
  return policy;
}

function readCleanDirectory(fields: Fields): CleanDirectoryPolicy {
  const roots = fields.texts("roots", "an absolute path", absolute);
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
  const units = fields.texts("units", "a systemd unit such as nginx.service", unit);
  const processes = fields.each("processes").map((process): DeclaredProcess => {
    const start = process.texts("start", "a program and its arguments, each a text");
    if (start.length === 0 || start[0]?.startsWith("/") !== true) {
      process.fault("start", process.raw("start"), "a list that begins with the program's absolute path");
    }
    const stop = stopSignals.find((signal) => signal === (process.raw("stop") ?? "SIGTERM"));
    if (stop === undefined) process.fault("stop", process.raw("stop"), `one of ${stopSignals.join(", ")}`);
    const read = {
      name: needed(process, "name", "a name of letters, digits, '.', '_' and '-'", name),
      pidFile: needed(process, "pidFile", "an absolute path", absolute),
      start,
      stop: stop ?? "SIGTERM",
    };
    process.done();
    return read;
  });
  fields.done();
  return { units, processes };
}

function readEndIdleSessions(fields: Fields): EndIdleSessionsPolicy {
  const databases = fields.each("databases").map((database): DeclaredDatabase => {
    const read = {
      name: needed(database, "name", "a name of letters, digits, '.', '_' and '-'", name),
      url: database.text("url", undefined, "a postgres:// URL", /^postgres(ql)?:\/\//),
      urlFile: database.text("urlFile", undefined, "an absolute path", absolute),
    };
    if ((read.url === undefined) === (read.urlFile === undefined)) {
      database.fault("url", undefined, "either url or urlFile");
    }
    database.done();
    return read;
  });
  const read = { databases, minIdleSeconds: fields.integer("minIdleSeconds", 600, 1, 365 * 86_400) };
  fields.done();
  return read;
}

function readCollectDiagnostics(fields: Fields): boolean {
  const enabled = fields.flag("enabled", false);
  fields.done();
  return enabled;
}

function needed(fields: Fields, key: string, expected: string, accepts: RegExp): string {
  const text = fields.text(key, undefined, expected, accepts);
  if (text === undefined && !fields.has(key)) fields.fault(key, undefined, expected);
  return text ?? "";
}

/** The actions that the policy allows at all, for the agent's greeting. */
export function allowedActions(policy: LocalPolicy): ActionName[] {
  const allowed: Readonly<Record<ActionName, boolean>> = {
    "clean-directory": (policy.cleanDirectory?.roots.length ?? 0) > 0,
    "restart-service":
      (policy.restartService?.units.length ?? 0) + (policy.restartService?.processes.length ?? 0) > 0,
    "end-idle-sessions": (policy.endIdleSessions?.databases.length ?? 0) > 0,
    "collect-diagnostics": policy.collectDiagnostics,
  };
  return actionNames.filter((action) => allowed[action]);
}

/** SHA-256 (hex) over the policy, without what is secret in it: a change of what this host allows is seen from afar. */
export function policyHash(policy: LocalPolicy): string {
  const databases = policy.endIdleSessions?.databases.map((database) => database.name) ?? [];
  const shown = {
    ...policy,
    endIdleSessions: policy.endIdleSessions && { ...policy.endIdleSessions, databases },
  };
  return createHash("sha256").update(canonicalJson(shown)).digest("hex");
}
