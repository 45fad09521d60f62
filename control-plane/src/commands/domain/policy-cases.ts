/** Cases that a policy has to judge as they say: `mainstay policy test`, so that a change of the policy is tested like code. */
import { z } from "zod";
import { parseInstant } from "../../kernel/window.js";
import { CRITICALITIES, type Topology } from "../../topology/domain/component.js";
import { blastRadius } from "../../topology/domain/find-impact.js";
import { explainGuard, type GuardInput } from "./guard-command.js";
import type { Policy } from "./policy.js";

const INSTANT = z.string().transform((text, context) => {
  const instant = parseInstant(text);
  if (instant !== undefined) return instant;
  context.addIssue({
    code: "custom",
    message: `not an instant: "${text}", expected such as 2026-12-20T00:00:00Z`,
  });
  return z.NEVER;
});

const REQUEST = z.strictObject({
  /** `kind:name`, such as `human:ann` or `rule:DiskSpaceLow`. */
  by: z.string().regex(/^(?:human|mcp|rule|schedule|system):.+$/, "expected KIND:NAME, such as human:ann"),
  roles: z.array(z.enum(["viewer", "operator", "approver", "admin"])).default(["operator"]),
  action: z.string().min(1),
  node: z.string().min(1).default("node-1"),
  labels: z.record(z.string(), z.string()).default({}),
  requireApproval: z.boolean().default(false),
  undo: z.boolean().default(false),
});

/** What the plan turned out to be. What is left out of its reach is computed from the labels and the components. */
const PLAN = z.strictObject({
  inverse: z.enum(["action", "irreversible", "nothing-to-undo", "unknown"]).default("action"),
  nodes: z.int().min(1).default(1),
  roleShare: z.number().min(0).max(1).default(0),
  components: z.array(z.string()).optional(),
  dependents: z.array(z.string()).optional(),
  criticality: z.enum(CRITICALITIES).optional(),
  openOnNode: z.int().min(0).default(0),
  recentOnNode: z.int().min(0).default(0),
});

const CASE = z.strictObject({
  name: z.string().min(1),
  at: INSTANT,
  request: REQUEST,
  plan: PLAN.prefault({}),
  expect: z.strictObject({
    verdict: z.enum(["allow", "ask", "deny"]),
    /** The rule or freeze that decides; empty for none. */
    rule: z.string().optional(),
    approvals: z.int().min(0).optional(),
    approver: z.enum(["approver", "admin"]).optional(),
    elicitation: z.boolean().optional(),
  }),
});

const FILE = z.strictObject({
  /** The policy's file, beside this one. */
  policy: z.string().optional(),
  /** The components' file, beside this one. */
  components: z.string().optional(),
  cases: z.array(CASE).min(1).max(10_000),
});

export type PolicyCases = z.infer<typeof FILE>;
export type PolicyCase = PolicyCases["cases"][number];

export function parsePolicyCases(
  content: unknown,
  lineOf: (path: readonly (string | number)[]) => number,
): { readonly value: PolicyCases } | { readonly faults: readonly string[] } {
  const parsed = FILE.safeParse(content ?? {});
  if (parsed.success) return { value: parsed.data };
  return {
    faults: parsed.error.issues.map((issue) => {
      const path = issue.path as (string | number)[];
      return `${lineOf(path)}: ${path.join(".") || "the file"}: ${issue.message}`;
    }),
  };
}

export interface CaseOutcome {
  readonly name: string;
  readonly passed: boolean;
  /** What was decided, and why. */
  readonly decision: { readonly verdict: string; readonly rule: string; readonly because: string };
  /** `verdict: expected allow, got ask`, one for each difference. */
  readonly differences: readonly string[];
  readonly steps: readonly { readonly rule: string; readonly outcome: string }[];
}

export function runPolicyCase(one: PolicyCase, policy: Policy, topology: Topology): CaseOutcome {
  const { decision, steps } = explainGuard(inputOf(one, topology), policy);
  const differences = Object.entries(one.expect).flatMap(([name, expected]) => {
    const got = decision[name as keyof PolicyCase["expect"]];
    return got === expected
      ? []
      : [`${name}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`];
  });
  const { verdict, rule, because } = decision;
  return {
    name: one.name,
    passed: differences.length === 0,
    decision: { verdict, rule, because },
    differences,
    steps,
  };
}

function inputOf({ at, request, plan }: PolicyCase, topology: Topology): GuardInput {
  const labels = { ...request.labels, node: request.node };
  const computed = blastRadius(topology, new Map(), [{ name: request.node, labels }]);
  const [kind = "", ...name] = request.by.split(":");
  return {
    requestedBy: { kind: kind as GuardInput["requestedBy"]["kind"], name: name.join(":") },
    roles: request.roles,
    action: request.action,
    nodeLabels: labels,
    requireApproval: request.requireApproval,
    undo: request.undo,
    inverse: plan.inverse,
    reach: {
      nodes: Array.from({ length: plan.nodes }, (_, index) =>
        index === 0 ? request.node : `${request.node}+${index}`,
      ),
      components: plan.components ?? computed.components,
      dependents: plan.dependents ?? computed.dependents,
      roleShare: plan.roleShare,
      criticality: plan.criticality ?? computed.criticality,
    },
    openOnNode: plan.openOnNode,
    recentOnNode: plan.recentOnNode,
    now: at,
  };
}
