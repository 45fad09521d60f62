/**
 * Whether this replica can truly serve: what Route 53, HAProxy and vantages ask before they send traffic here. A process that
 * only lives answers `/health`; this answers well only when what was asked could be done.
 */
export interface FailoverFacts {
  /** Its doors are open and it does not stop. */
  readonly serving: boolean;
  /** Its event loop runs. */
  readonly live: boolean;
  /** PostgreSQL, asked just now. */
  readonly database: "writable" | "read-only" | "away";
  /** `led`: this replica leads, or knows one that does. Without a leader nothing is decided anywhere. */
  readonly leadership: "led" | "nobody";
}

export interface FailoverHealth {
  readonly kind: "serves" | "does-not-serve";
  readonly because: string;
}

export function judgeFailover({ serving, live, database, leadership }: FailoverFacts): FailoverHealth {
  const no = (because: string): FailoverHealth => ({ kind: "does-not-serve", because });
  if (!serving) return no("it begins, or stops");
  if (!live) return no("its event loop stands still");
  if (database === "away") return no("PostgreSQL does not answer");
  if (database === "read-only") return no("PostgreSQL takes no writes");
  if (leadership === "nobody") return no("no replica leads");
  return { kind: "serves", because: "PostgreSQL takes writes, and a replica leads" };
}
