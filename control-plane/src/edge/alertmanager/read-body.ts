/**
 * What clients post to the Alertmanager API: alerts and silences. Times may be absent or Go's zero time, which means the
 * same. What is not of the right form is told as Alertmanager's generated code tells it.
 */
import { z } from "zod";
import type { Labels, MatchOperator } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { PostedAlert, SilenceRequest } from "../../notification/notification.module.js";

/** A body of the wrong form: status 422, with the code that the specification's tools give. */
export interface Malformed {
  readonly kind: "malformed";
  readonly faults: readonly string[];
}

export type ReadAlerts = { readonly kind: "alerts"; readonly alerts: readonly PostedAlert[] } | Malformed;
export type ReadSilence = { readonly kind: "silence"; readonly request: SilenceRequest } | Malformed;

/** Prometheus posts 64 or 256 at a time. */
const ALERTS_MAX = 10_000;
const LABELS_MAX = 256;
const FAULTS_TOLD_MAX = 10;
const ZERO_TIME = "0001-01-01T00:00:00";
const TIME_FORM = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)$/;

/** Undefined for Go's zero time. */
function readTime(text: string, context: z.RefinementCtx): Instant | undefined {
  if (text === "" || text.startsWith(ZERO_TIME)) return undefined;
  const at = TIME_FORM.test(text) ? Date.parse(text.replace(" ", "T")) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  context.addIssue({
    code: "custom",
    message: `must be of type date-time: ${JSON.stringify(text.slice(0, 60))}`,
  });
  return z.NEVER;
}

const requiredTime = z.string().transform(readTime);
const time = z
  .string()
  .nullish()
  .transform((text, context) => readTime(text ?? "", context));

const labelSet = z
  .record(z.string(), z.string())
  .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `has more than ${LABELS_MAX} names`)
  .transform((labels): Labels => labels);

const alert = z.object({
  labels: labelSet,
  annotations: labelSet.nullish(),
  startsAt: time,
  endsAt: time,
  generatorURL: z.string().max(8_192).nullish(),
});

const alerts = z.array(alert).max(ALERTS_MAX);

export function readAlerts(body: unknown): ReadAlerts {
  const read = alerts.safeParse(body);
  if (!read.success) return malformed(read.error, "alerts");
  return {
    kind: "alerts",
    alerts: read.data.map(({ labels, annotations, startsAt, endsAt, generatorURL }) => ({
      labels,
      annotations: annotations ?? {},
      startsAt,
      endsAt,
      generatorUrl: generatorURL ?? "",
    })),
  };
}

const matcher = z
  .object({
    name: z.string(),
    value: z.string(),
    isRegex: z.boolean(),
    isEqual: z.boolean().nullish(),
  })
  .transform(({ name, value, isRegex, isEqual }) => {
    const equal = isEqual ?? true;
    const op: MatchOperator = isRegex ? (equal ? "=~" : "!~") : equal ? "=" : "!=";
    return { name, op, value };
  });

const silence = z.object({
  id: z.string().max(200).nullish(),
  matchers: z.array(matcher).min(1, "should have at least 1 items"),
  startsAt: requiredTime,
  endsAt: requiredTime,
  createdBy: z.string(),
  comment: z.string(),
});

export function readSilence(body: unknown): ReadSilence {
  const read = silence.safeParse(body);
  if (!read.success) return malformed(read.error, "silence");
  const { id, matchers, startsAt, endsAt, createdBy, comment } = read.data;
  return {
    kind: "silence",
    request: {
      id: id === null || id === "" ? undefined : id,
      matchers,
      // Go's zero time is no time: the room says what is wrong with it.
      startsAt: startsAt ?? Number.NaN,
      endsAt: endsAt ?? Number.NaN,
      createdBy,
      comment,
    },
  };
}

function malformed(error: z.ZodError, whole: string): Malformed {
  const faults = error.issues.slice(0, FAULTS_TOLD_MAX).map((issue) => {
    const place = issue.path.length === 0 ? whole : issue.path.map(String).join(".");
    // Zod says "received undefined" of what is not there.
    const absent = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
    return `${place} in body ${absent ? "is required" : issue.message}`;
  });
  return { kind: "malformed", faults };
}
