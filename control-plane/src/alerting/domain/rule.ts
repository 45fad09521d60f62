/** Rule files in Prometheus' format: groups of alerting and recording rules. */
import { z } from "zod";
import { isLabelName, isMetricName, type Labels } from "../../kernel/labels.js";
import { type Duration, MINUTE, parseDuration } from "../../kernel/time.js";
import { PromqlError } from "../../promql/errors.js";
import { parseExpr } from "../../promql/parse.js";
import { checkTemplate } from "./render-text.js";
import { parseExtensions, type RuleExtensions } from "./rule-extensions.js";

export interface AlertingRule extends RuleExtensions {
  readonly kind: "alerting";
  /** Stable over reloads: group, name, and which of that name in the group. */
  readonly key: string;
  readonly name: string;
  readonly expr: string;
  readonly holdFor: Duration;
  readonly keepFiringFor: Duration;
  readonly labels: Labels;
  readonly annotations: Labels;
}

export interface RecordingRule {
  readonly kind: "recording";
  readonly key: string;
  readonly name: string;
  readonly expr: string;
  readonly labels: Labels;
}

export type Rule = AlertingRule | RecordingRule;

export interface RuleGroup {
  readonly name: string;
  readonly file: string;
  readonly interval: Duration;
  /** Most alerts or series one rule may give; 0: no limit. */
  readonly limit: number;
  readonly queryOffset: Duration;
  readonly rules: readonly Rule[];
}

/** Prometheus' default `evaluation_interval`. */
export const INTERVAL_DEFAULT: Duration = MINUTE;

const DURATION = z.union([z.string(), z.literal(0)]).transform((value, context) => {
  const duration = parseDuration(String(value));
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `not a valid duration string: "${value}"` });
  return z.NEVER;
});

/** A number as it is, or as it was written. */
const LIMIT = z.union([
  z.int().min(0),
  z
    .string()
    .regex(/^\d{1,9}$/, "expected a whole number")
    .transform(Number),
]);

const LABELS = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String));

const RULE = z.strictObject({
  alert: z.string().min(1).optional(),
  record: z.string().min(1).optional(),
  expr: z.union([z.string(), z.number()]).transform(String),
  for: DURATION.optional(),
  keep_firing_for: DURATION.optional(),
  labels: LABELS.default({}),
  annotations: LABELS.default({}),
});

const FILE = z.strictObject({
  groups: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        interval: DURATION.optional(),
        limit: LIMIT.default(0),
        query_offset: DURATION.optional(),
        labels: LABELS.default({}),
        rules: z.array(RULE).default([]),
      }),
    )
    .default([]),
});

type Path = readonly (string | number)[];

/**
 * The groups of a file's content, or every fault as `line: message`. `lineOf` tells on which line a part stands.
 */
export function parseRuleFile(
  file: string,
  content: unknown,
  lineOf: (path: Path) => number,
): { readonly value: readonly RuleGroup[] } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (!parsed.success) {
    return {
      faults: parsed.error.issues.map((issue) => {
        const path = issue.path as Path;
        return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
      }),
    };
  }
  const faults: string[] = [];
  const names = new Set<string>();
  const groups = parsed.data.groups.map((group, groupIndex): RuleGroup => {
    const groupPath: Path = ["groups", groupIndex];
    if (names.has(group.name))
      faults.push(
        `${lineOf([...groupPath, "name"])}: groupname: "${group.name}" is repeated in the same file`,
      );
    names.add(group.name);
    const counts = new Map<string, number>();
    const rules = group.rules.map((rule, index): Rule => {
      const path: Path = [...groupPath, "rules", index];
      const fault = (part: string, message: string): void => {
        faults.push(
          `${lineOf([...path, part])}: group "${group.name}", rule ${index + 1}, "${rule.alert ?? rule.record ?? ""}": ${message}`,
        );
      };
      judgeRule(rule, fault);
      const extensions = parseExtensions(rule.annotations, (_, message) => fault("annotations", message));
      const name = rule.alert ?? rule.record ?? "";
      const nth = (counts.get(name) ?? 0) + 1;
      counts.set(name, nth);
      const key = `${group.name}/${name}${nth === 1 ? "" : `#${nth}`}`;
      const labels = { ...group.labels, ...rule.labels };
      return rule.alert === undefined
        ? { kind: "recording", key, name, expr: rule.expr, labels }
        : {
            kind: "alerting",
            key,
            name,
            expr: rule.expr,
            holdFor: rule.for ?? 0,
            keepFiringFor: rule.keep_firing_for ?? 0,
            labels,
            annotations: rule.annotations,
            ...extensions,
          };
    });
    return {
      name: group.name,
      file,
      interval: group.interval ?? INTERVAL_DEFAULT,
      limit: group.limit,
      queryOffset: group.query_offset ?? 0,
      rules,
    };
  });
  return faults.length > 0 ? { faults } : { value: groups };
}

function judgeRule(rule: z.infer<typeof RULE>, fault: (part: string, message: string) => void): void {
  if (rule.alert !== undefined && rule.record !== undefined)
    fault("record", "only one of 'record' and 'alert' must be set");
  if (rule.alert === undefined && rule.record === undefined)
    fault("expr", "one of 'record' or 'alert' must be set");
  if (rule.record !== undefined) {
    if (!isMetricName(rule.record)) fault("record", `invalid recording rule name: ${rule.record}`);
    if (rule.for !== undefined) fault("for", "invalid field 'for' in recording rule");
    if (rule.keep_firing_for !== undefined)
      fault("keep_firing_for", "invalid field 'keep_firing_for' in recording rule");
    if (Object.keys(rule.annotations).length > 0)
      fault("annotations", "invalid field 'annotations' in recording rule");
  }
  for (const name of Object.keys(rule.labels))
    if (!isLabelName(name) || name === "__name__") fault("labels", `invalid label name: ${name}`);
  for (const name of Object.keys(rule.annotations))
    if (!isLabelName(name)) fault("annotations", `invalid annotation name: ${name}`);
  try {
    parseExpr(rule.expr);
  } catch (error) {
    if (!(error instanceof PromqlError)) throw error;
    fault("expr", `could not parse expression: ${error.message}`);
  }
  if (rule.alert === undefined) return;
  for (const part of ["labels", "annotations"] as const) {
    for (const [name, text] of Object.entries(rule[part])) {
      const wrong = checkTemplate(text);
      if (wrong !== undefined) fault(part, `${part.slice(0, -1)} "${name}": ${wrong}`);
    }
  }
}
