/** alertmanager.yml as values: who is told of what, how, when, and what keeps quiet. */
import type { Duration } from "../../kernel/time.js";
import { MINUTE } from "../../kernel/time.js";
import type { ChannelSettings } from "./channel-settings.js";
import type { LabelMatcher, LabelTest } from "./matcher.js";
import type { TimeInterval } from "./time-interval.js";

export interface Route {
  /** As Alertmanager writes it in group keys: `{}/{severity="critical"}`. */
  readonly key: string;
  readonly matchers: readonly LabelMatcher[];
  readonly test: LabelTest;
  /** Siblings after it are asked too. */
  readonly goesOn: boolean;
  readonly receiver: string;
  /** "all": each set of labels is a group of its own. */
  readonly groupBy: readonly string[] | "all";
  readonly groupWait: Duration;
  readonly groupInterval: Duration;
  readonly repeatInterval: Duration;
  /** Names of time intervals. */
  readonly muteIn: readonly string[];
  readonly activeIn: readonly string[];
  readonly routes: readonly Route[];
}

export interface Integration {
  /** Names the way within its receiver: `slack[0]`. */
  readonly key: string;
  readonly sendResolved: boolean;
  readonly settings: ChannelSettings;
}

export interface Receiver {
  readonly name: string;
  readonly integrations: readonly Integration[];
}

export interface InhibitRule {
  /** Names the rule for people: its own name, or its matchers. */
  readonly name: string;
  readonly source: LabelTest;
  readonly target: LabelTest;
  /** Labels that must be equal in both. */
  readonly equal: readonly string[];
}

export interface NotificationConfig {
  readonly resolveTimeout: Duration;
  readonly route: Route;
  readonly receivers: readonly Receiver[];
  readonly inhibitRules: readonly InhibitRule[];
  readonly timeIntervals: ReadonlyMap<string, TimeInterval>;
  /** Paths of template files, wildcards as they stand. */
  readonly templatePaths: readonly string[];
  /** What the file asks for and is not built: it is in force without that, and says so. */
  readonly warnings: readonly string[];
}

export const GROUP_WAIT_DEFAULT: Duration = 30_000;
export const GROUP_INTERVAL_DEFAULT: Duration = 5 * MINUTE;
export const REPEAT_INTERVAL_DEFAULT: Duration = 240 * MINUTE;
export const RESOLVE_TIMEOUT_DEFAULT: Duration = 5 * MINUTE;
