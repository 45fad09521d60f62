/** Reads a regions file: each plan with its steps in order, or everything that is wrong with it. */
import { z } from "zod";
import { parseDuration } from "../../kernel/time.js";
import {
  OVER_BUDGET,
  type RegionPlan,
  type RegionStep,
  type ServerPlace,
  type StepTarget,
} from "./region-plan.js";
import { needsOf } from "./step-order.js";

const REGIONS_MAX = 50;
const STEPS_MAX = 100;
const ID = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected a name of a-z, 0-9 and -, at most 63 characters");
const NODE = z.string().min(1).max(200);
const FILE_PATH = z.string().regex(/^\/[^\0]{1,1000}$/, "expected an absolute path");
const DURATION = z.string().transform((value, context) => {
  const duration = parseDuration(value);
  if (duration !== undefined && duration > 0) return duration;
  context.addIssue({
    code: "custom",
    message: `not a duration: "${value}", expected such as 15s, 5m or 1h`,
  });
  return z.NEVER;
});
const LOSS = z.string().transform((value, context) => {
  const duration = parseDuration(value);
  if (duration !== undefined) return duration;
  context.addIssue({ code: "custom", message: `not a duration: "${value}", expected such as 0s, 5m or 1h` });
  return z.NEVER;
});
const PLACE = z.string().transform((value, context): ServerPlace => {
  const [, host, port] = /^([A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:]{2,45}\]):(\d{1,5})$/.exec(value) ?? [];
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535) {
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  }
  context.addIssue({ code: "custom", message: `not a place: "${value}", expected host:port` });
  return z.NEVER;
});
const HTTP_URL = z.url({ protocol: /^https?$/ }).max(2_000);
const ACTION = z.strictObject({
  node: NODE,
  action: z.string().min(1).max(100),
  arguments: z
    .record(z.string().max(100), z.union([z.string().max(1_000), z.number(), z.boolean()]))
    .default({}),
});

const COMMON = {
  id: ID,
  component: ID.optional(),
  needs: z.array(ID).max(STEPS_MAX).default([]),
  budget: DURATION,
  rpo: LOSS.optional(),
};

const STEP = z.discriminatedUnion("do", [
  z.strictObject({ do: z.literal("fence"), ...COMMON, cluster: ID, to: z.array(NODE).min(1).max(15) }),
  z.strictObject({ do: z.literal("promote"), ...COMMON, cluster: ID, to: z.array(NODE).min(1).max(15) }),
  z.strictObject({
    do: z.literal("redis"),
    ...COMMON,
    from: PLACE.optional(),
    to: PLACE,
    user: z.string().min(1).max(128).optional(),
    passwordFile: FILE_PATH.optional(),
    tls: z.boolean().default(false),
    restart: ACTION.optional(),
  }),
  z.strictObject({
    do: z.literal("vault"),
    ...COMMON,
    from: HTTP_URL.optional(),
    to: HTTP_URL,
    tokenFile: FILE_PATH.optional(),
    snapshotFile: FILE_PATH.optional(),
    check: z
      .string()
      .regex(/^[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_.-]+)+$/, "expected a path such as secret/data/app")
      .optional(),
  }),
  z.strictObject({ do: z.literal("scale"), ...COMMON, ...ACTION.shape }),
  z.strictObject({
    do: z.literal("verify"),
    ...COMMON,
    requests: z
      .array(
        z.strictObject({
          method: z.enum(["GET", "POST"]).default("GET"),
          url: HTTP_URL,
          headers: z.record(z.string().regex(/^[A-Za-z0-9-]{1,100}$/), z.string().max(1_000)).default({}),
          body: z.string().max(10_000).default(""),
          status: z.int().min(100).max(599).default(200),
          contains: z.string().max(1_000).default(""),
        }),
      )
      .min(1)
      .max(20),
    times: z.int().min(1).max(20).default(2),
    tokenFile: FILE_PATH.optional(),
  }),
  z.strictObject({ do: z.literal("traffic"), ...COMMON, target: ID, to: z.string().min(1).max(253) }),
  z.strictObject({ do: z.literal("status"), ...COMMON, text: z.string().min(1).max(500) }),
]);

const REGION = z.strictObject({
  id: ID,
  title: z.string().min(1).max(200).optional(),
  to: ID,
  rto: DURATION,
  overBudget: z.enum(OVER_BUDGET).default("ask"),
  approval: z.enum(["doubtful", "always"]).default("doubtful"),
  steps: z.array(STEP).min(1).max(STEPS_MAX),
});

const FILE = z.strictObject({ regions: z.array(REGION).max(REGIONS_MAX).default([]) });

type WrittenStep = z.infer<typeof STEP>;

/**
 * A regions file's content. Faults are an unknown field or value, an id that is there twice, a need of what is not there, a
 * cycle, and an order that would send clients to what is not there yet, each with the reason.
 */
export function parseRegions(
  content: unknown,
  lineOf: (path: readonly (string | number)[]) => number,
): { readonly value: readonly RegionPlan[] } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (!parsed.success) {
    return {
      faults: parsed.error.issues.map((issue) => {
        const path = issue.path as (string | number)[];
        return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
      }),
    };
  }
  const faults: string[] = [];
  const seen = new Set<string>();
  const plans = parsed.data.regions.flatMap((region, index): RegionPlan[] => {
    const place = ["regions", index];
    if (seen.has(region.id))
      faults.push(`${lineOf(place)}: ${place.join(".")}: "${region.id}" is there twice`);
    seen.add(region.id);
    if (region.to === region.id)
      faults.push(`${lineOf(place)}: ${place.join(".")}.to: "${region.to}" is the region that may be lost`);
    const written = region.steps.map((step) => ({ id: step.id, needs: step.needs, target: targetOf(step) }));
    const ordered = needsOf(written);
    if ("faults" in ordered) {
      for (const { step, because } of ordered.faults) {
        const at = [...place, "steps", step];
        faults.push(`${lineOf(at)}: ${at.join(".")}: ${because}`);
      }
      return [];
    }
    const byId = new Map(region.steps.map((step) => [step.id, step]));
    const steps = ordered.order.flatMap(({ id, needs }): RegionStep[] => {
      const step = byId.get(id);
      if (step === undefined) return [];
      const { component, budget, rpo } = step;
      return [{ id, kind: step.do, component, target: targetOf(step), needs, budget, rpo }];
    });
    const { id, title, to, rto, overBudget, approval } = region;
    return [{ id, title: title ?? id, to, rto, overBudget, approval, steps }];
  });
  return faults.length > 0 ? { faults } : { value: plans };
}

function targetOf(step: WrittenStep): StepTarget {
  switch (step.do) {
    case "fence":
    case "promote":
      return { kind: step.do, cluster: step.cluster, to: step.to };
    case "redis": {
      const { from, to, user, passwordFile, tls, restart } = step;
      return { kind: "redis", from, to, user, passwordFile, tls, restart };
    }
    case "vault": {
      const { from, to, tokenFile, snapshotFile, check } = step;
      return { kind: "vault", from, to, tokenFile, snapshotFile, check };
    }
    case "scale":
      return { kind: "scale", node: step.node, action: step.action, arguments: step.arguments };
    case "verify":
      return { kind: "verify", requests: step.requests, times: step.times, tokenFile: step.tokenFile };
    case "traffic":
      return { kind: "traffic", target: step.target, to: step.to };
    case "status":
      return { kind: "status", text: step.text };
  }
}
