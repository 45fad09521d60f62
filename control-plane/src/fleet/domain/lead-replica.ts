/** Whether this replica leads: takes the agents' streams, judges the rules and keeps the samples. One does, the others wait. */
import { type Duration, formatDuration, type Instant, SECOND } from "../../kernel/time.js";

/** How long a leader that hangs, and is not dead, is waited for. One that died is known at once by its session. */
export const LEASE_LENGTH: Duration = 6 * SECOND;

/** How often the lease is renewed or asked for. */
export const LEAD_INTERVAL: Duration = 500;

export interface LeadershipFacts {
  readonly leads: boolean;
  /** What the lease said this time; `unknown` while PostgreSQL cannot be asked. */
  readonly lease: "ours" | "another's" | "unknown";
  /** Until when the lease that was last ours counts, by this replica's clock. */
  readonly leaseUntil: Instant;
  /** Whether another replica lived when PostgreSQL was last asked. */
  readonly othersLive: boolean;
}

export interface LeadershipVerdict {
  readonly leads: boolean;
  readonly because: string;
}

/** Answers whether to lead from now on. */
export function judgeLeadership(facts: LeadershipFacts, now: Instant): LeadershipVerdict {
  switch (facts.lease) {
    case "ours":
      return { leads: true, because: "this replica holds the lease" };
    case "another's":
      return { leads: false, because: "another replica leads" };
    case "unknown":
      if (!facts.leads) return { leads: false, because: "PostgreSQL cannot be asked who leads" };
      // Alone, nobody can have taken over: agents keep their streams, and what they send waits in memory.
      if (!facts.othersLive || now < facts.leaseUntil)
        return { leads: true, because: "PostgreSQL cannot be asked, and nobody else can have taken over" };
      return {
        leads: false,
        because: `the lease could not be renewed for ${formatDuration(LEASE_LENGTH)}; another replica may lead`,
      };
  }
}
