/** Which alert asks for which action, and how often. */
import { z } from "zod";
import type { Labels } from "../../kernel/labels.js";
import { MINUTE, parseDuration } from "../../kernel/time.js";

const DURATION = z.string().transform((value, context) => {
  const duration = parseDuration(value);
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `not a duration: "${value}", expected such as 30s, 5m or 1h` });
  return z.NEVER;
});

const RULE = z.strictObject({
  alert: z.string().min(1),
  /** Labels the alert must have. */
  match: z.record(z.string(), z.string()).default({}),
  action: z.string().min(1),
  /** Texts may hold ${labels.name}, which becomes the label's value: data for the action's own checks, never a command. */
  arguments: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  /** The label that names the node. */
  nodeLabel: z.string().default("node"),
  attempts: z.int().min(1).max(10).default(3),
  cooldown: DURATION.default(10 * MINUTE),
  /** After the action has ended, the alert's own condition has this long to clear. */
  verifyWithin: DURATION.default(10 * MINUTE),
  timeout: DURATION.default(5 * MINUTE),
  expires: DURATION.default(10 * MINUTE),
});

const FILE = z.strictObject({ rules: z.array(RULE).default([]) });

export type RemediationRule = z.infer<typeof RULE>;

export function parseRemediation(
  content: unknown,
  lineOf: (path: readonly (string | number)[]) => number,
): { readonly value: readonly RemediationRule[] } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (parsed.success) return { value: parsed.data.rules };
  return {
    faults: parsed.error.issues.map((issue) => {
      const path = issue.path as (string | number)[];
      return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
    }),
  };
}

/** The first rule for an alert. */
export function ruleFor(rules: readonly RemediationRule[], labels: Labels): RemediationRule | undefined {
  return rules.find(
    (rule) =>
      rule.alert === labels["alertname"] &&
      Object.entries(rule.match).every(([name, value]) => labels[name] === value),
  );
}

/** The arguments with the alert's labels in place; undefined when one is missing, which is named. */
export function fillArguments(
  rule: RemediationRule,
  labels: Labels,
):
  | { readonly kind: "filled"; readonly arguments: { readonly [name: string]: string | number | boolean } }
  | { readonly kind: "missing"; readonly label: string } {
  let missing: string | undefined;
  const filled = Object.entries(rule.arguments).map(([name, value]) => {
    if (typeof value !== "string") return [name, value] as const;
    const text = value.replace(/\$\{labels\.([A-Za-z_]\w*)\}/g, (_, label: string) => {
      const found = labels[label];
      if (found === undefined) missing ??= label;
      return found ?? "";
    });
    return [name, text] as const;
  });
  return missing === undefined
    ? { kind: "filled", arguments: Object.fromEntries(filled) }
    : { kind: "missing", label: missing };
}
