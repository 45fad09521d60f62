/** Alerts as they are shown to who asks. */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { LabelMatcher } from "./matcher.js";

/** An alert with who hears of it and what hides it. */
export interface ShownAlert {
  /** FNV-1a, 64 bits, of the sorted labels: 16 hex digits. */
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: Instant;
  /** For an alert without an end of its own: now and the file's `resolve_timeout`. */
  readonly endsAt: Instant;
  readonly updatedAt: Instant;
  readonly generatorUrl: string;
  /** Names of receivers, in the order of the routes. */
  readonly receivers: readonly string[];
  readonly status: {
    readonly state: "unprocessed" | "active" | "suppressed";
    /** Ids of silences. */
    readonly silencedBy: readonly string[];
    /** Fingerprints of alerts. */
    readonly inhibitedBy: readonly string[];
    /** Names of time intervals. */
    readonly mutedBy: readonly string[];
  };
}

/** Which alerts; all conditions hold together. Whatever is not said is wanted. */
export interface AlertFilter {
  readonly active?: boolean;
  readonly silenced?: boolean;
  readonly inhibited?: boolean;
  readonly unprocessed?: boolean;
  readonly muted?: boolean;
  readonly matchers?: readonly LabelMatcher[];
  /** A regular expression over the whole of a receiver's name. */
  readonly receiver?: string;
}

export interface ShownGroup {
  readonly labels: Labels;
  readonly receiver: string;
  readonly alerts: readonly ShownAlert[];
}
