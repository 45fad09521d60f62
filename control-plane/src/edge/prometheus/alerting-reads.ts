/** What the Prometheus API asks of alerting; in Prometheus' words. */
import type { Labels } from "../../kernel/labels.js";
import type { Duration, Instant } from "../../kernel/time.js";

export interface PromAlert {
  /** `alertname` among them. */
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: "pending" | "firing";
  readonly activeAt: Instant;
  readonly keepFiringSince?: Instant;
  readonly value: number;
}

interface AnyRule {
  readonly name: string;
  readonly query: string;
  readonly labels: Labels;
  readonly health: "ok" | "err" | "unknown";
  /** Empty when health is ok. */
  readonly lastError: string;
  readonly evaluationSeconds: number;
  /** Undefined: not yet. */
  readonly lastEvaluation: Instant | undefined;
}

export interface PromAlertingRule extends AnyRule {
  readonly kind: "alerting";
  readonly for: Duration;
  readonly keepFiringFor: Duration;
  readonly annotations: Readonly<Record<string, string>>;
  readonly alerts: readonly PromAlert[];
  readonly state: "inactive" | "pending" | "firing";
}

export interface PromRecordingRule extends AnyRule {
  readonly kind: "recording";
}

export interface PromRuleGroup {
  readonly name: string;
  readonly file: string;
  readonly interval: Duration;
  /** 0: none. */
  readonly limit: number;
  readonly rules: readonly (PromAlertingRule | PromRecordingRule)[];
  readonly evaluationSeconds: number;
  readonly lastEvaluation: Instant | undefined;
  /** Who evaluates the expressions: `embedded`, or the other engine's address. */
  readonly evaluator?: string;
}

/** Implemented by the room that judges rules. */
export interface AlertingReads {
  /** Pending and firing alerts. */
  alerts(): Promise<readonly PromAlert[]>;
  /** All groups, in the order of their files. */
  rules(): Promise<readonly PromRuleGroup[]>;
}
