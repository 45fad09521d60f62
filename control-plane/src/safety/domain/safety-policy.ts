/** How much may be done, by whom so ever, and when automatic action has to stop: config/safety.yaml. */
import { z } from "zod";
import type { Labels } from "../../kernel/labels.js";
import {
  DAY,
  type Duration,
  formatDuration,
  HOUR,
  MINUTE,
  parseDuration,
  SECOND,
} from "../../kernel/time.js";

const duration = (least: Duration) =>
  z.string().transform((value, context) => {
    const read = parseDuration(value);
    if (read !== undefined && read >= least) return read;
    context.addIssue({
      code: "custom",
      message: `not a duration of at least ${formatDuration(least)}: "${value}", expected such as 30s, 5m or 1h`,
    });
    return z.NEVER;
  });

const SHARE = z.number().gt(0).max(1);
const LABEL = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, "expected the name of a node's label");

const BUDGET = z.strictObject({
  /** Actions of all actors within an hour; beyond it the brake trips and people's own actions ask for an approval. */
  actionsPerHour: z.int().min(1).max(1_000_000).default(120),
  /** Share of the actions that ended within an hour that may have failed, once `failuresMin` of them have. */
  failureRatio: SHARE.default(0.5),
  failuresMin: z.int().min(1).max(1_000_000).default(5),
});

const IN_FLIGHT = z.strictObject({
  /** Nodes with the same value of this label are one domain. */
  label: LABEL,
  max: z.int().min(1).max(1_000_000),
  /** Of the domain's nodes; one may always be acted upon. */
  share: SHARE.default(1),
});

const STORM = z.strictObject({
  domains: z.array(LABEL).max(20).default(["zone", "role"]),
  /** Above this share of unhealthy nodes a domain is in a storm. */
  share: SHARE.default(0.49),
  /** Fewer unhealthy nodes than this are no storm, whatever their share. */
  nodesMin: z.int().min(1).max(1_000_000).default(2),
  /** Action is held at once; what lasts this long is a storm, which ends only after `cooldown`. */
  after: duration(0).default(15 * SECOND),
  cooldown: duration(0).default(10 * MINUTE),
});

const COOLDOWN = z.strictObject({
  /** After an action, the same one on the same target waits this long; then twice as long, each time. */
  first: duration(0).default(MINUTE),
  max: duration(0).default(4 * HOUR),
});

const CASES = z.strictObject({
  /** The how manieth time within `within` goes to a person instead. */
  at: z.int().min(2).max(100).default(3),
  within: duration(SECOND).default(DAY),
});

const POLICY = z.strictObject({
  budget: BUDGET.prefault({}),
  inFlight: z
    .array(IN_FLIGHT)
    .max(20)
    .default([
      { label: "role", max: 5, share: 0.34 },
      { label: "zone", max: 10, share: 0.5 },
    ]),
  storm: STORM.prefault({}),
  cooldown: COOLDOWN.prefault({}),
  cases: CASES.prefault({}),
  /** Actions that only look: never counted, never held. */
  harmless: z.array(z.string().min(1)).max(100).default(["collect-diagnostics", "netcheck"]),
});

export type SafetyPolicy = z.infer<typeof POLICY>;

/** What holds until a file could be read, and where it says nothing. */
export const DEFAULT_SAFETY: SafetyPolicy = POLICY.parse({});

/** A file's content as a policy, or every fault with its line. */
export function parseSafety(
  content: unknown,
  lineOf: (path: readonly (string | number)[]) => number,
): { readonly value: SafetyPolicy } | { readonly faults: readonly string[] } {
  const parsed = POLICY.safeParse(content ?? {});
  if (parsed.success) return { value: parsed.data };
  return {
    faults: parsed.error.issues.map((issue) => {
      const path = issue.path as (string | number)[];
      return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
    }),
  };
}

/** The labels by which nodes are parted into domains, each once. */
export function domainLabels(policy: SafetyPolicy): readonly string[] {
  return [...new Set([...policy.inFlight.map(({ label }) => label), ...policy.storm.domains])];
}

/** A domain's name: `zone=eu-1`. */
export const domainName = (label: string, value: string): string => `${label}=${value}`;

/** The domains a node with these labels is in; a label that is absent or empty puts it in none. */
export function domainsOf(policy: SafetyPolicy, labels: Labels): readonly string[] {
  return domainLabels(policy).flatMap((label) => {
    const value = labels[label] ?? "";
    return value === "" ? [] : [domainName(label, value)];
  });
}

/** How many of `nodes` nodes may be acted upon at once. */
export function inFlightMax(limit: { readonly max: number; readonly share: number }, nodes: number): number {
  return Math.max(1, Math.min(limit.max, Math.floor(limit.share * nodes)));
}
