/** Which alert asks for which actions, in which order, how often, and how it is found out whether they helped. */
import { z } from "zod";
import type { Labels } from "../../kernel/labels.js";
import { DAY, type Duration, formatDuration, MINUTE, parseDuration, SECOND } from "../../kernel/time.js";

const duration = (least: Duration = 0) =>
  z.string().transform((value, context) => {
    const read = parseDuration(value);
    if (read !== undefined && read >= least) return read;
    const wanted = least === 0 ? "a duration" : `a duration of at least ${formatDuration(least)}`;
    context.addIssue({
      code: "custom",
      message: `not ${wanted}: "${value}", expected such as 30s, 5m or 1h`,
    });
    return z.NEVER;
  });

/** Texts may hold ${labels.name}, which becomes the label's value: data for the action's own checks, never a command. */
const ARGUMENTS = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** What is shorter is cut off before it can have worked. */
const STEP_TIMEOUT_LEAST = 60 * SECOND;

const STEP = z.strictObject({
  /** How people know the step. @default the action */
  name: z.string().min(1).optional(),
  action: z.string().min(1),
  arguments: ARGUMENTS.default({}),
  timeout: duration(STEP_TIMEOUT_LEAST).default(5 * MINUTE),
  attempts: z.int().min(1).max(10).default(1),
});

const VERIFY = z.union(
  [
    /** The alert's own condition has to go. */
    z.literal("alert"),
    /** The systemd unit has to be active on the node. */
    z.strictObject({ service: z.string().min(1) }),
    /** A PromQL expression that gives at least one sample and none that is zero. May hold ${labels.name} in quotes. */
    z.strictObject({ sli: z.string().min(1) }),
  ],
  { error: 'expected alert, { service: "NAME" } or { sli: "EXPRESSION" }: no action without a verification' },
);

const RULE = z
  .strictObject({
    alert: z.string().min(1),
    /** Labels the alert must have. */
    match: z.record(z.string(), z.string()).default({}),
    /** The one step of a ladder that has no other. */
    action: z.string().min(1).optional(),
    arguments: ARGUMENTS.default({}),
    /** From the mildest to the hardest; what did not help is followed by the next. */
    steps: z.array(STEP).min(1).max(10).optional(),
    verify: VERIFY,
    /** The label that names the node. */
    nodeLabel: z.string().default("node"),
    attempts: z.int().min(1).max(10).default(3),
    cooldown: duration().default(10 * MINUTE),
    /** After the action has ended, the verification has this long to hold. */
    verifyWithin: duration().default(10 * MINUTE),
    timeout: duration(STEP_TIMEOUT_LEAST).default(5 * MINUTE),
    expires: duration().default(10 * MINUTE),
    /** Take back what did not help, where it has an inverse. */
    undo: z.boolean().default(true),
  })
  .superRefine(({ action, steps }, context) => {
    if ((action === undefined) === (steps === undefined))
      context.addIssue({ code: "custom", message: "expected either action or steps" });
  })
  .transform(({ action, arguments: args, timeout, attempts, steps, ...rule }) => ({
    ...rule,
    ladder:
      steps === undefined
        ? [{ name: action ?? "", action: action ?? "", arguments: args, timeout, attempts }]
        : steps.map((step) => ({ ...step, name: step.name ?? step.action })),
  }));

const EFFECTS = z.strictObject({
  /** Only what was tried within it counts. */
  window: duration(MINUTE).default(30 * DAY),
  /** After at least so many tries */
  tries: z.int().min(1).max(1_000).default(5),
  /** an action that helped in a smaller share of them needs a person's approval. */
  score: z.number().min(0).max(1).default(0.3),
});

const FILE = z.strictObject({ rules: z.array(RULE).default([]), effects: EFFECTS.prefault({}) });

export type Remediation = z.infer<typeof FILE>;
export type RemediationRule = z.infer<typeof RULE>;
export type Step = RemediationRule["ladder"][number];
export type EffectPolicy = Remediation["effects"];

/** What holds until a file could be read: nothing is done. */
export const NO_REMEDIATION: Remediation = FILE.parse({});

export function parseRemediation(
  content: unknown,
  lineOf: (path: readonly (string | number)[]) => number,
): { readonly value: Remediation } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (parsed.success) return { value: parsed.data };
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

/** The step of the attempt that comes after `attempts` others; undefined when the ladder has no more. */
export function stepAfter(
  { ladder }: Pick<RemediationRule, "ladder">,
  attempts: number,
): { readonly step: Step; readonly attempt: number } | undefined {
  let before = 0;
  for (const step of ladder) {
    if (attempts < before + step.attempts) return { step, attempt: attempts - before + 1 };
    before += step.attempts;
  }
  return undefined;
}

export const attemptsMax = ({ ladder }: Pick<RemediationRule, "ladder">): number =>
  ladder.reduce((sum, { attempts }) => sum + attempts, 0);

const PLACEHOLDER = /\$\{labels\.([A-Za-z_]\w*)\}/g;

export type Filled<T> =
  | { readonly kind: "filled"; readonly value: T }
  | { readonly kind: "missing"; readonly label: string };

/** A text with the alert's labels in place, each as `quote` writes it. */
export function fillText(
  text: string,
  labels: Labels,
  quote: (value: string) => string = (value) => value,
): Filled<string> {
  let missing: string | undefined;
  const value = text.replace(PLACEHOLDER, (_, label: string) => {
    const found = labels[label];
    if (found === undefined) missing ??= label;
    return quote(found ?? "");
  });
  return missing === undefined ? { kind: "filled", value } : { kind: "missing", label: missing };
}

/** A label's value as it stands within the quotes of an expression: it cannot end them, whatever it says. */
export const quotedValue = (value: string): string => JSON.stringify(value).slice(1, -1);

/** The arguments with the alert's labels in place; the first that is missing is named. */
export function fillArguments(
  step: Pick<Step, "arguments">,
  labels: Labels,
): Filled<{ readonly [name: string]: string | number | boolean }> {
  const filled: [string, string | number | boolean][] = [];
  for (const [name, value] of Object.entries(step.arguments)) {
    if (typeof value !== "string") {
      filled.push([name, value]);
      continue;
    }
    const text = fillText(value, labels);
    if (text.kind === "missing") return text;
    filled.push([name, text.value]);
  }
  return { kind: "filled", value: Object.fromEntries(filled) };
}

/** What has to hold for the verification to have succeeded; undefined where the alert's own condition is what counts. */
export function verificationExpr(
  { verify, nodeLabel }: Pick<RemediationRule, "verify" | "nodeLabel">,
  labels: Labels,
): Filled<string> | undefined {
  if (verify === "alert") return undefined;
  if ("sli" in verify) return fillText(verify.sli, labels, quotedValue);
  const node = labels[nodeLabel];
  if (node === undefined) return { kind: "missing", label: nodeLabel };
  const unit = fillText(verify.service, labels);
  if (unit.kind === "missing") return unit;
  const matchers = `node="${quotedValue(node)}",name="${quotedValue(unit.value)}",state="active"`;
  return { kind: "filled", value: `node_systemd_unit_state{${matchers}}` };
}
