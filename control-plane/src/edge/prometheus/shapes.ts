/**
 * Values, alerts and rules as Prometheus writes them in JSON: times in seconds, values as texts.
 */
import type { Instant } from "../../kernel/time.js";
import type { Value } from "../../promql/value.js";
import type { WireError } from "../wire-errors.js";
import type { PromAlert, PromAlertingRule, PromRecordingRule, PromRuleGroup } from "./alerting-reads.js";

type Point = readonly [number, string];

export type QueryData =
  | { readonly resultType: "scalar" | "string"; readonly result: Point }
  | { readonly resultType: "vector"; readonly result: readonly { metric: object; value: Point }[] }
  | {
      readonly resultType: "matrix";
      readonly result: readonly { metric: object; values: readonly Point[] }[];
    };

/** The shortest text that reads back, with an exponent below 1e-6 and from 1e21 on, as Go's JSON has it. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  return padExponent(String(value));
}

/** Always with an exponent of at least two digits: alerts' values are written so. */
export function formatExponent(value: number): string {
  if (!Number.isFinite(value)) return formatValue(value);
  return padExponent((Object.is(value, -0) ? "-" : "") + value.toExponential());
}

const padExponent = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");

const point = (timestamp: Instant, value: number): Point => [timestamp / 1_000, formatValue(value)];

export function queryData(value: Value): QueryData {
  switch (value.kind) {
    case "scalar":
      return { resultType: "scalar", result: point(value.timestamp, value.value) };
    case "string":
      return { resultType: "string", result: [value.timestamp / 1_000, value.value] };
    case "vector":
      return {
        resultType: "vector",
        result: value.samples.map((s) => ({ metric: s.labels, value: point(s.timestamp, s.value) })),
      };
    case "matrix":
      return {
        resultType: "matrix",
        result: value.series.map(({ labels, timestamps, values }) => ({
          metric: labels,
          values: Array.from(timestamps, (at, index) => point(at, values[index] as number)),
        })),
      };
  }
}

const NEVER = "0001-01-01T00:00:00Z";
const isoTime = (at: Instant | undefined): string => (at === undefined ? NEVER : new Date(at).toISOString());

export function alertShape(alert: PromAlert): object {
  return {
    labels: alert.labels,
    annotations: alert.annotations,
    state: alert.state,
    activeAt: isoTime(alert.activeAt),
    ...(alert.keepFiringSince === undefined ? {} : { keepFiringSince: isoTime(alert.keepFiringSince) }),
    value: formatExponent(alert.value),
  };
}

export function groupShape(group: PromRuleGroup, withAlerts: boolean): object {
  return {
    name: group.name,
    file: group.file,
    rules: group.rules.map((rule) => ruleShape(rule, withAlerts)),
    interval: group.interval / 1_000,
    limit: group.limit,
    evaluationTime: group.evaluationSeconds,
    lastEvaluation: isoTime(group.lastEvaluation),
    ...(group.evaluator === undefined ? {} : { evaluator: group.evaluator }),
  };
}

function ruleShape(rule: PromAlertingRule | PromRecordingRule, withAlerts: boolean): object {
  const judged = {
    health: rule.health,
    ...(rule.lastError === "" ? {} : { lastError: rule.lastError }),
    evaluationTime: rule.evaluationSeconds,
    lastEvaluation: isoTime(rule.lastEvaluation),
  };
  if (rule.kind === "recording") {
    const labels = Object.keys(rule.labels).length === 0 ? {} : { labels: rule.labels };
    return { name: rule.name, query: rule.query, ...labels, ...judged, type: "recording" };
  }
  return {
    state: rule.state,
    name: rule.name,
    query: rule.query,
    duration: rule.for / 1_000,
    keepFiringFor: rule.keepFiringFor / 1_000,
    labels: rule.labels,
    annotations: rule.annotations,
    alerts: withAlerts ? rule.alerts.map(alertShape) : [],
    ...judged,
    type: "alerting",
  };
}

/** Prometheus' word and status for each code; the codes of the gate have no word of Prometheus' own. */
const ERRORS: Readonly<Partial<Record<WireError["code"], readonly [type: string, status: number]>>> = {
  INVALID_ARGUMENT: ["bad_data", 400],
  OUT_OF_RANGE: ["bad_data", 400],
  FAILED_PRECONDITION: ["execution", 422],
  RESOURCE_EXHAUSTED: ["execution", 422],
  DEADLINE_EXCEEDED: ["timeout", 503],
  CANCELLED: ["canceled", 499],
  NOT_FOUND: ["not_found", 404],
  UNAVAILABLE: ["unavailable", 503],
  UNAUTHENTICATED: ["unauthorized", 401],
  PERMISSION_DENIED: ["forbidden", 403],
};

export function promError(wire: WireError): { readonly status: number; readonly body: object } {
  const [errorType, status] = ERRORS[wire.code] ?? ["internal", wire.httpStatus];
  return { status, body: { status: "error", errorType, error: wire.message } };
}
