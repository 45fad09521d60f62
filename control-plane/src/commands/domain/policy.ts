/**
 * Who may do what to what: allow, ask or deny. The first rule that matches decides; where none does, the answer is deny.
 */
import { z } from "zod";

const VERDICT = z.enum(["allow", "ask", "deny"]);
const ACTOR_KIND = z.enum(["human", "mcp", "rule", "schedule", "system"]);

const RULE = z.strictObject({
  name: z.string().min(1).describe("how people will know the rule"),
  actors: z.array(ACTOR_KIND).optional(),
  actions: z.array(z.string()).optional(),
  /** Labels that the node must have. */
  nodes: z.record(z.string(), z.string()).optional(),
  verdict: VERDICT,
});

const POLICY = z.strictObject({
  limits: z
    .strictObject({
      openPerNode: z.int().min(1).max(100).default(2),
      perNodePerHour: z.int().min(1).max(10_000).default(12),
    })
    .default({ openPerNode: 2, perNodePerHour: 12 }),
  rules: z.array(RULE).default([]),
});

export type PolicyRule = z.infer<typeof RULE>;
export type Policy = z.infer<typeof POLICY>;

/** Where no file could be read yet: everything is denied. */
export const DENY_ALL: Policy = { limits: { openPerNode: 2, perNodePerHour: 12 }, rules: [] };

/** A policy file's content as a policy, or every fault with the path to it. */
export function parsePolicy(
  content: unknown,
): { readonly policy: Policy } | { readonly faults: readonly string[] } {
  const parsed = POLICY.safeParse(content ?? {});
  if (parsed.success) return { policy: parsed.data };
  return {
    faults: parsed.error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`),
  };
}
