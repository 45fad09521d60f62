/** A runbook as it is written: YAML with typed parameters and steps. */
import { z } from "zod";
import { type Duration, HOUR, MINUTE, parseDuration, SECOND } from "../../kernel/time.js";
import { ABSENT, EXPECT } from "./expectation.js";
import { PARAMETER, TEXT_LENGTH_MAX } from "./parameter.js";

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const name = z.string().regex(NAME, {
  error: ({ input }) => `${JSON.stringify(input)} is no name, expected 1 to 63 of a-z, 0-9 and -`,
});
const parameterName = z.string().regex(/^[a-z][A-Za-z0-9_]{0,62}$/, {
  error: ({ input }) => `${JSON.stringify(input)} is no parameter's name, expected letters, digits and _`,
});
const sentence = z.string().min(1).max(500);

const between = (least: Duration, most: Duration, words: string) =>
  z.string().transform((text, context): Duration => {
    const duration = parseDuration(text);
    if (duration !== undefined && duration >= least && duration <= most) return duration;
    context.addIssue({
      code: "custom",
      message: `"${text}" is no duration from ${words}, such as 30s or 5m`,
    });
    return z.NEVER;
  });
const upToAnHour = between(SECOND, HOUR, "1s to 1h");
const upToThreeDays = between(SECOND, 72 * HOUR, "1s to 3d");

/** A parameter's value goes there, whole. */
const reference = z.strictObject({ parameter: parameterName });
const scalar = z.union([z.string().max(TEXT_LENGTH_MAX), z.number(), z.boolean()]);
const value = z.union([scalar, reference], {
  error: "expected a text, a number, true, false, or { parameter: NAME }",
});
const text = z.union([z.string().min(1).max(TEXT_LENGTH_MAX), reference], {
  error: "expected a text or { parameter: NAME }",
});
const length = z.union([upToThreeDays, reference], {
  error: "expected a duration such as 5m, or { parameter: NAME }",
});

const query = z.string().min(1).max(8_192);
const question = { query, expect: EXPECT, absent: ABSENT.default("fail") };

const condition = z.union(
  [
    z.strictObject({ step: name, is: z.enum(["succeeded", "failed", "skipped"]) }),
    z.strictObject({ parameter: parameterName, equals: scalar }),
    z.strictObject(question),
  ],
  {
    error:
      "expected { step: ID, is: succeeded | failed | skipped }, { parameter: NAME, equals: VALUE } or { query: EXPR, expect: … }",
  },
);

const common = {
  id: name,
  summary: sentence,
  /** @default the step before it */
  needs: z.array(name).max(50).optional(),
  /** All must hold, else the step is skipped. */
  when: z.array(condition).max(10).default([]),
  onFailure: z.enum(["stop", "continue", "undo"]).default("stop"),
};

const actionStep = z.strictObject({
  ...common,
  action: name,
  /** One node, or those with these labels. */
  node: text.optional(),
  selector: z.record(z.string(), text).optional(),
  /** Nodes worked on at the same time. */
  atOnce: z.int().min(1).max(50).default(1),
  arguments: z.record(z.string(), value).default({}),
  verify: z.strictObject({ ...question, within: upToAnHour.default(5 * MINUTE) }).optional(),
  timeout: upToAnHour.default(10 * MINUTE),
  /** A step that fails is tried again so often in all, after a pause. */
  attempts: z.int().min(1).max(5).default(1),
  pause: upToAnHour.default(30 * SECOND),
});
const queryStep = z.strictObject({ ...common, ...question, timeout: upToAnHour.default(30 * SECOND) });
const waitStep = z.strictObject({
  ...common,
  wait: z.union(
    [
      z.strictObject({ for: length }),
      z.strictObject({ until: query, expect: EXPECT, absent: ABSENT.default("fail"), within: upToThreeDays }),
    ],
    { error: "expected { for: DURATION } or { until: EXPR, expect: …, within: DURATION }" },
  ),
});
const approvalStep = z.strictObject({
  ...common,
  approval: z.strictObject({ role: z.enum(["approver", "admin"]).default("approver"), reason: sentence }),
  timeout: upToThreeDays.default(24 * HOUR),
});
const runbookStep = z.strictObject({
  ...common,
  runbook: name,
  parameters: z.record(parameterName, value).default({}),
});

/** Which kind a step is, by the word only that kind has. */
export const STEP_KINDS = ["action", "query", "wait", "approval", "runbook"] as const;
export type StepKind = (typeof STEP_KINDS)[number];
const SHAPES = {
  action: actionStep,
  query: queryStep,
  wait: waitStep,
  approval: approvalStep,
  runbook: runbookStep,
} as const;

export type ActionStep = z.infer<typeof actionStep> & { readonly kind: "action" };
export type QueryStep = z.infer<typeof queryStep> & { readonly kind: "query" };
export type WaitStep = z.infer<typeof waitStep> & { readonly kind: "wait" };
export type ApprovalStep = z.infer<typeof approvalStep> & { readonly kind: "approval" };
export type RunbookStep = z.infer<typeof runbookStep> & { readonly kind: "runbook" };
export type Step = ActionStep | QueryStep | WaitStep | ApprovalStep | RunbookStep;
export type Condition = z.infer<typeof condition>;
export type Reference = z.infer<typeof reference>;
export type Value = z.infer<typeof value>;

/** The steps' own shapes are looked at one by one, so that a fault is told of the kind that was meant. */
const step = z.record(z.string(), z.unknown()).transform((written, context): Step => {
  const kinds = STEP_KINDS.filter((kind) => kind in written);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const has = kinds.length === 0 ? "none" : kinds.join(" and ");
    context.addIssue({
      code: "custom",
      message: `a step has exactly one of ${STEP_KINDS.join(", ")}; this one has ${has}`,
    });
    return z.NEVER;
  }
  const parsed = SHAPES[kind].safeParse(written);
  if (parsed.success) return { kind, ...parsed.data } as Step;
  for (const { path, message } of parsed.error.issues)
    context.addIssue({ code: "custom", path: [...path], message });
  return z.NEVER;
});

export const REVIEW_DAYS_DEFAULT = 90;
export const STEPS_MAX = 100;

const RUNBOOK = z.strictObject({
  name,
  summary: sentence,
  owner: z.string().min(1).max(100),
  lastReviewed: z.string().regex(/^\d{4}-\d{2}-\d{2}$/, { error: "expected a date such as 2026-11-22" }),
  reviewDays: z.int().min(1).max(1_000).default(REVIEW_DAYS_DEFAULT),
  schedule: z
    .strictObject({
      cron: z.string(),
      timeZone: z.string(),
      parameters: z.record(parameterName, scalar).default({}),
    })
    .optional(),
  parameters: z.record(parameterName, PARAMETER).default({}),
  steps: z.array(step).min(1).max(STEPS_MAX),
});

export type Runbook = z.infer<typeof RUNBOOK>;

export type LineOf = (path: readonly (string | number)[]) => number;

/** A file's content as a runbook, or every fault as `line: message`. What it says of other runbooks is not looked at. */
export function parseRunbook(
  content: unknown,
  lineOf: LineOf,
): { readonly value: Runbook } | { readonly faults: readonly string[] } {
  const parsed = RUNBOOK.safeParse(content ?? {});
  if (parsed.success) return { value: parsed.data };
  return {
    faults: parsed.error.issues.map((issue) => {
      const path = issue.path as (string | number)[];
      return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
    }),
  };
}
