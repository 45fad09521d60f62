/**
 * The actions that agents offer, as far as a runbook has to know them: their arguments, and whether they change anything.
 * The agent judges an order by its own rules; this is so that a runbook is told of its faults before the night it is run.
 */
type ArgumentType = "string" | "number" | "boolean";

export interface KnownAction {
  /** It only looks, or leaves only a file behind for people, so there is nothing to verify. */
  readonly looks: boolean;
  readonly required: Readonly<Record<string, ArgumentType>>;
  readonly optional: Readonly<Record<string, ArgumentType>>;
}

const action = (
  required: Readonly<Record<string, ArgumentType>>,
  optional: Readonly<Record<string, ArgumentType>> = {},
  looks = false,
): KnownAction => ({ looks, required, optional });

const WAIT = { waitSeconds: "number" } as const;
const IN_NAMESPACE = { cluster: "string", namespace: "string" } as const;

export const KNOWN_ACTIONS: ReadonlyMap<string, KnownAction> = new Map([
  [
    "clean-directory",
    action({ path: "string", minAgeSeconds: "number" }, { maxBytes: "number", pattern: "string" }),
  ],
  ["restart-service", action({}, { unit: "string", process: "string" })],
  ["reload-service", action({}, { unit: "string", process: "string" })],
  [
    "end-idle-sessions",
    action({ database: "string", idleSeconds: "number" }, { states: "string", limit: "number" }),
  ],
  [
    "terminate-query",
    action({ database: "string", minSeconds: "number" }, { how: "string", pid: "number", limit: "number" }),
  ],
  [
    "maintain-table",
    action(
      { database: "string", operation: "string", table: "string" },
      { schema: "string", lockTimeoutMs: "number" },
    ),
  ],
  ["set-postgres-parameter", action({ database: "string", parameter: "string" }, { value: "string" })],
  ["rotate-logs", action({ log: "string" })],
  ["redis-save", action({ server: "string" })],
  ["redis-restart", action({ server: "string" })],
  [
    "set-backend-state",
    action(
      { proxy: "string", backend: "string", server: "string", state: "string" },
      { waitSeconds: "number" },
    ),
  ],
  ["pgbouncer-pause", action({ bouncer: "string", database: "string" }, { waitSeconds: "number" })],
  ["pgbouncer-resume", action({ bouncer: "string", database: "string" })],
  ["pgbouncer-reload", action({ bouncer: "string" })],
  ["scale-pool", action({ pool: "string" }, { replicas: "number", load: "number" })],
  ["heap-snapshot", action({ process: "string" }, {}, true)],
  ["renew-certificate", action({ certificate: "string" }, { restore: "string" })],
  ["evict-pod", action({ ...IN_NAMESPACE, pod: "string" }, WAIT)],
  ["scale-workload", action({ ...IN_NAMESPACE, kind: "string", name: "string", replicas: "number" }, WAIT)],
  ["rollout-restart", action({ ...IN_NAMESPACE, kind: "string", name: "string" }, WAIT)],
  ["rollout-undo", action({ ...IN_NAMESPACE, name: "string" }, { ...WAIT, revision: "number" })],
  ["cordon-node", action({ cluster: "string", node: "string" })],
  ["uncordon-node", action({ cluster: "string", node: "string" })],
  ["drain-node", action({ cluster: "string", node: "string" }, WAIT)],
  ["collect-diagnostics", action({}, {}, true)],
  ["restore-drill", action({ repository: "string" }, { to: "string" }, true)],
  ["netcheck", action({}, { target: "string", timeoutMs: "number" }, true)],
]);
