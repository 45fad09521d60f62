/** The vocabulary of commands on this host: orders as they were verified, and what is said about them. */
import type { ActionName } from "./action-names.js";
import type { KubernetesArguments } from "./kubernetes-arguments.js";

/** Whether to look or to act. */
export type Mode = "preview" | "run";

/** An order whose signature was found good, with its fields in the agent's own terms. Times are ms since the epoch. */
export interface VerifiedOrder {
  readonly commandId: string;
  readonly nodeId: string;
  readonly action: string;
  /** A JSON object as text; not looked into yet. */
  readonly argumentsJson: string;
  readonly mode: Mode;
  readonly generation: bigint;
  readonly planHash: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly timeoutMs: number;
  readonly outputBytesMax: number;
  readonly traceparent: string;
}

/** How an action ended. */
export type Outcome = "succeeded" | "failed" | "timed-out" | "cancelled";

/** A step in the life of a command. */
export type EventBody =
  | { readonly kind: "accepted" }
  | { readonly kind: "started" }
  | {
      readonly kind: "output";
      readonly stream: "stdout" | "stderr";
      /** Bytes of this stream before this piece. */
      readonly offset: number;
      /** Base64. */
      readonly data: string;
      /** Bytes left out before this piece. */
      readonly skippedBytes: number;
    }
  | {
      readonly kind: "finished";
      readonly outcome: Outcome;
      readonly exitCode: number;
      readonly summary: string;
      /** JSON; empty for a preview, whose result is the plan of this hash. */
      readonly resultJson: string;
      readonly planHash: string;
    }
  | { readonly kind: "refused"; readonly because: string; readonly detail: string }
  | { readonly kind: "interrupted"; readonly detail: string };

/** A step with its place. `sequence` starts at 1 for each command and mode. */
export interface LocalEvent {
  readonly commandId: string;
  readonly mode: Mode;
  readonly sequence: number;
  readonly at: number;
  readonly body: EventBody;
}

/** Whether nothing comes after it. */
export function isTerminal(body: EventBody): boolean {
  return body.kind === "finished" || body.kind === "refused" || body.kind === "interrupted";
}

/** Names a command's one life in one mode. */
export function commandKey(commandId: string, mode: Mode): string {
  return `${mode}/${commandId}`;
}

/** What may be done to a table. */
export const maintenances = ["vacuum", "analyze", "reindex-concurrently"] as const;
export type Maintenance = (typeof maintenances)[number];

/** What a server behind a load balancer may be set to: taking requests, only finishing those it has, or out. */
export const backendStates = ["ready", "drain", "maint"] as const;
export type BackendState = (typeof backendStates)[number];

/** Arguments of each action, checked. */
export type ActionArguments =
  | KubernetesArguments
  | {
      readonly action: "pgbouncer-pause";
      readonly bouncer: string;
      readonly database: string;
      /** How long the transactions that run may take to end, in seconds; then the pause is taken back. */
      readonly waitSeconds: number;
    }
  | { readonly action: "pgbouncer-resume"; readonly bouncer: string; readonly database: string }
  | { readonly action: "pgbouncer-reload"; readonly bouncer: string }
  | {
      readonly action: "scale-pool";
      readonly pool: string;
      /** How many are to run; undefined when the load decides. */
      readonly replicas: number | undefined;
      /** The load now, in the unit of the pool's declared `perReplica`. */
      readonly load: number | undefined;
    }
  | { readonly action: "heap-snapshot"; readonly process: string }
  | {
      readonly action: "renew-certificate";
      readonly certificate: string;
      /** SHA-256 (hex) of a certificate that was replaced before: it is put back instead of renewing. */
      readonly restore: string | undefined;
    }
  | {
      readonly action: "clean-directory";
      readonly path: string;
      readonly minAgeSeconds: number;
      readonly maxBytes: number | undefined;
      readonly pattern: string | undefined;
    }
  | {
      readonly action: "restart-service";
      readonly unit: string | undefined;
      readonly process: string | undefined;
    }
  | {
      readonly action: "end-idle-sessions";
      readonly database: string;
      readonly idleSeconds: number;
      /** Only sessions that are idle inside a transaction, or all that are idle. */
      readonly states: "in-transaction" | "all";
      readonly limit: number;
    }
  | { readonly action: "collect-diagnostics" }
  | {
      readonly action: "terminate-query";
      readonly database: string;
      /** How long a query must have run, in seconds. */
      readonly minSeconds: number;
      /** Cancel the query, or end its session. */
      readonly how: "cancel" | "terminate";
      /** Only this session's. */
      readonly pid: number | undefined;
      readonly limit: number;
    }
  | {
      readonly action: "maintain-table";
      readonly database: string;
      readonly operation: Maintenance;
      readonly schema: string;
      readonly table: string;
      readonly lockTimeoutMs: number;
    }
  | {
      readonly action: "set-postgres-parameter";
      readonly database: string;
      readonly parameter: string;
      /** Undefined takes back what ALTER SYSTEM once set. */
      readonly value: string | undefined;
    }
  | {
      readonly action: "reload-service";
      readonly unit: string | undefined;
      readonly process: string | undefined;
    }
  | {
      readonly action: "set-backend-state";
      readonly proxy: string;
      readonly backend: string;
      readonly server: string;
      readonly state: BackendState;
      /** How long a server may take to end what it has. */
      readonly waitSeconds: number;
    }
  | { readonly action: "rotate-logs"; readonly log: string }
  | { readonly action: "redis-save"; readonly server: string }
  | { readonly action: "redis-restart"; readonly server: string }
  | {
      readonly action: "restore-drill";
      readonly repository: string;
      /** ISO 8601; the newest moment there is, when undefined. */
      readonly to: string | undefined;
    }
  | {
      readonly action: "netcheck";
      /** All that are declared, when undefined. */
      readonly target: string | undefined;
      /** For each step on the way. */
      readonly timeoutMs: number;
    };

/** The arguments of one action. */
export type ArgumentsOf<A extends ActionName> = Extract<ActionArguments, { readonly action: A }>;
