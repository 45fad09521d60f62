/** What notification offers to the doors of the house: Alertmanager's work as plain values. */
import type { Actor } from "../kernel/actor.js";
import type { Labels } from "../kernel/labels.js";
import type { Duration, Instant } from "../kernel/time.js";
import type { LabelMatcher } from "./domain/matcher.js";
import type { PostedAlert } from "./domain/posted-alert.js";
import type { AlertFilter, ShownAlert, ShownGroup } from "./domain/shown-alert.js";
import type { Silence, SilenceRequest, SilenceState } from "./domain/silence.js";

/** Whatever is good is stored, durably, before this is answered. */
export interface PostOutcome {
  readonly stored: number;
  /** One sentence for each alert that was refused. */
  readonly faults: readonly string[];
}

export interface ShownSilence extends Silence {
  readonly state: SilenceState;
}

export type SilenceOutcome =
  | { readonly kind: "stored"; readonly id: string }
  | { readonly kind: "invalid"; readonly because: string }
  | { readonly kind: "unknown"; readonly because: string };

/** What was hidden from whom, and what would have been sent. */
export interface Suppression {
  readonly by: {
    readonly kind: "silence" | "inhibition" | "window";
    /** A silence's id, an inhibiting alert's fingerprint, a time interval's name. */
    readonly name: string;
  };
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly receiver: string;
  readonly groupKey: string;
  /** How often a notice would have been sent that named this alert. */
  readonly notices: number;
  /** Why the last of them would have been sent. */
  readonly reason: string;
  readonly firstAt: Instant;
  readonly lastAt: Instant;
}

export interface SuppressionFilter {
  readonly kind?: Suppression["by"]["kind"];
  readonly name?: string;
  readonly fingerprint?: string;
  /** @default 500, at most 5,000 */
  readonly limit?: number;
}

/** A notice: who was, or shall be, told what. */
export interface ShownNotice {
  readonly id: string;
  readonly groupKey: string;
  readonly receiver: string;
  /** The way to the receiver: `slack[0]`. */
  readonly integration: string;
  readonly reason: string;
  readonly because: string;
  readonly state: "queued" | "delivered" | "failed" | "superseded" | "withdrawn";
  readonly fingerprints: readonly string[];
  readonly attempts: number;
  /** What the last attempt answered; never a secret. */
  readonly lastAnswer: string;
  readonly createdAt: Instant;
  readonly settledAt: Instant | undefined;
}

export interface NoticeFilter {
  readonly fingerprint?: string;
  readonly receiver?: string;
  readonly state?: ShownNotice["state"];
  /** @default 100, at most 1,000 */
  readonly limit?: number;
}

/** What keeps an alert from being told, or kept it. */
export interface AlertHider {
  readonly kind: Suppression["by"]["kind"];
  /** As in {@link Suppression}. */
  readonly name: string;
  /** Of a silence its matchers, author and comment; of an inhibiting alert its labels; empty when nothing more is known. */
  readonly what: string;
  /** Whether it does so now. */
  readonly now: boolean;
  /** From whom; empty: from all, and nothing would have been sent so far. */
  readonly receiver: string;
  /** Of a silence its start; otherwise when it first kept something back. */
  readonly since: Instant | undefined;
  readonly lastAt: Instant | undefined;
  /** How many notices that named the alert it kept back. */
  readonly notices: number;
  /** Why the last of them would have been sent; empty: none was. */
  readonly reason: string;
}

/** Who hears of an alert, who was told, and what hid it. */
export interface AlertAccount {
  readonly fingerprint: string;
  /** By the routes in force; empty when it does not fire. */
  readonly receivers: readonly string[];
  /** Newest first, at most 100. */
  readonly notices: readonly ShownNotice[];
  /** What hides it now first; at most 100 and those. */
  readonly hiddenBy: readonly AlertHider[];
}

/** One way to one receiver, as it fares on the replica that delivers. */
export interface ChannelHealth {
  readonly receiver: string;
  readonly integration: string;
  readonly up: boolean;
  readonly failuresInRow: number;
  readonly downSince: Instant | undefined;
  readonly lastAnswer: string;
  readonly queued: number;
}

export interface NotificationStatus {
  /** The file in force as YAML that Alertmanager's tools can read, secrets as `<secret>`. */
  readonly configOriginal: string;
  /** Why the file as it is now is not in force; empty when it is. */
  readonly faults: readonly string[];
  readonly startedAt: Instant;
  readonly resolveTimeout: Duration;
  /** Why notices are, or are not, decided and sent here. */
  readonly because: string;
  readonly channels: readonly ChannelHealth[];
}

export interface NotificationDoor {
  /** All that fire, whoever raised them; what is resolved is left out. Throws INVALID_ARGUMENT for a bad receiver expression. */
  listAlerts(filter: AlertFilter): Promise<readonly ShownAlert[]>;
  /** The same by group and receiver, groups sorted by labels. */
  listGroups(filter: AlertFilter): Promise<readonly ShownGroup[]>;
  postAlerts(alerts: readonly PostedAlert[]): Promise<PostOutcome>;
  /** Names, in the order of the file. */
  receivers(): readonly string[];
  /** Active first (soonest end first), then pending (soonest start first), then expired (newest first). */
  listSilences(matchers?: readonly LabelMatcher[]): Promise<readonly ShownSilence[]>;
  getSilence(id: string): Promise<ShownSilence | undefined>;
  putSilence(request: SilenceRequest, by: Actor): Promise<SilenceOutcome>;
  /** Ends it now; false: there is none of this id. */
  expireSilence(id: string, by: Actor): Promise<boolean>;
  suppressions(filter: SuppressionFilter): Promise<readonly Suppression[]>;
  /** Newest first. */
  notices(filter: NoticeFilter): Promise<readonly ShownNotice[]>;
  /** The account of an alert of a rule of ours, by its labels. Throws UNAVAILABLE while no file is in force. */
  accountOf(labels: Labels): Promise<AlertAccount>;
  status(): NotificationStatus;
  /** Reads the file again now; answers why it is not in force, or nothing. */
  reload(): Promise<readonly string[]>;
}
