/** The names of what this agent can do. */

/** Names of the actions, as orders have them. */
export const actionNames = [
  "clean-directory",
  "restart-service",
  "end-idle-sessions",
  "collect-diagnostics",
  "terminate-query",
  "maintain-table",
  "set-postgres-parameter",
  "reload-service",
  "rotate-logs",
  "redis-save",
  "redis-restart",
  "netcheck",
  "set-backend-state",
  "pgbouncer-pause",
  "pgbouncer-resume",
  "pgbouncer-reload",
  "scale-pool",
  "heap-snapshot",
  "renew-certificate",
  "evict-pod",
  "scale-workload",
  "rollout-restart",
  "rollout-undo",
  "cordon-node",
  "uncordon-node",
  "drain-node",
  "restore-drill",
] as const;
export type ActionName = (typeof actionNames)[number];
