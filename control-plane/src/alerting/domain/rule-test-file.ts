/** Unit tests of rules, in promtool's own format (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/). */
import { z } from "zod";
import type { Labels } from "../../kernel/labels.js";
import { type Duration, MINUTE, parseDuration } from "../../kernel/time.js";

export interface RuleTestFile {
  /** Paths or glob patterns, relative to the test file. */
  readonly ruleFiles: readonly string[];
  /** How often groups are judged. @default 1m */
  readonly evaluationInterval: Duration;
  /** Groups in the order in which they are judged; those not named keep theirs, after these. */
  readonly groupEvalOrder: readonly string[];
  /** Numbers may differ in their last bit. */
  readonly fuzzyCompare: boolean;
  readonly tests: readonly RuleTest[];
}

export interface RuleTest {
  readonly name: string;
  /** Distance of the points of the input series. */
  readonly interval: Duration;
  /** In Prometheus' notation: the series, and its points. */
  readonly inputSeries: readonly { readonly series: string; readonly values: string }[];
  readonly alertTests: readonly AlertTest[];
  readonly exprTests: readonly ExprTest[];
  readonly externalLabels: Labels;
  readonly externalUrl: string;
}

export interface AlertTest {
  readonly evalTime: Duration;
  readonly alertname: string;
  readonly expected: readonly { readonly labels: Labels; readonly annotations: Labels }[];
}

export interface ExprTest {
  readonly expr: string;
  readonly evalTime: Duration;
  readonly expected: readonly { readonly labels: string; readonly value: number }[];
}

const DURATION = z.union([z.string(), z.number()]).transform((value, context) => {
  const duration = parseDuration(String(value));
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `not a valid duration string: "${value}"` });
  return z.NEVER;
});
const TEXT = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const TRUTH = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);
const LABELS = z.record(z.string(), TEXT).nullish();

/** YAML writes infinities its own way, people write them Go's. */
const VALUE = z.union([z.number(), z.string()]).transform((value, context) => {
  if (typeof value === "number") return value;
  const named = { nan: Number.NaN, inf: Infinity, "+inf": Infinity, "-inf": -Infinity }[
    value.toLowerCase().replace(/^([+-]?)\./, "$1")
  ];
  const number = named ?? (value.trim() === "" ? undefined : Number(value));
  if (number !== undefined && (named !== undefined || !Number.isNaN(number))) return number;
  context.addIssue({ code: "custom", message: `not a number: "${value}"` });
  return z.NEVER;
});

const ALERT_TEST = z.strictObject({
  eval_time: DURATION,
  alertname: z.string().min(1),
  exp_alerts: z.array(z.strictObject({ exp_labels: LABELS, exp_annotations: LABELS })).nullish(),
});

const EXPR_TEST = z.strictObject({
  expr: TEXT,
  eval_time: DURATION,
  exp_samples: z
    .array(z.strictObject({ labels: z.string().default("{}"), value: VALUE.default(0) }))
    .nullish(),
});

const TEST = z.strictObject({
  name: TEXT.default(""),
  interval: DURATION.optional(),
  input_series: z.array(z.strictObject({ series: z.string(), values: TEXT })).nullish(),
  alert_rule_test: z.array(ALERT_TEST).nullish(),
  promql_expr_test: z.array(EXPR_TEST).nullish(),
  external_labels: LABELS,
  external_url: z.string().default(""),
});

const FILE = z.strictObject({
  rule_files: z.array(z.string()).nullish(),
  evaluation_interval: DURATION.optional(),
  group_eval_order: z.array(TEXT).nullish(),
  fuzzy_compare: TRUTH.default(false),
  tests: z.array(TEST).nullish(),
});

type Path = readonly (string | number)[];

/** What a file's content asks to be tested, or every fault as `line: message`. */
export function parseRuleTestFile(
  content: unknown,
  lineOf: (path: Path) => number,
): { readonly value: RuleTestFile } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (!parsed.success) {
    return {
      faults: parsed.error.issues.map((issue) => {
        const path = issue.path as Path;
        return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
      }),
    };
  }
  const { data } = parsed;
  const evaluationInterval = data.evaluation_interval || MINUTE;
  return {
    value: {
      ruleFiles: data.rule_files ?? [],
      evaluationInterval,
      groupEvalOrder: data.group_eval_order ?? [],
      fuzzyCompare: data.fuzzy_compare,
      tests: (data.tests ?? []).map((test) => ({
        name: test.name,
        interval: test.interval || evaluationInterval,
        inputSeries: test.input_series ?? [],
        externalLabels: test.external_labels ?? {},
        externalUrl: test.external_url,
        alertTests: (test.alert_rule_test ?? []).map((one) => ({
          evalTime: one.eval_time,
          alertname: one.alertname,
          expected: (one.exp_alerts ?? []).map((alert) => ({
            labels: { ...alert.exp_labels, alertname: one.alertname },
            annotations: alert.exp_annotations ?? {},
          })),
        })),
        exprTests: (test.promql_expr_test ?? []).map((one) => ({
          expr: one.expr,
          evalTime: one.eval_time,
          expected: one.exp_samples ?? [],
        })),
      })),
    },
  };
}
