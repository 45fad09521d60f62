/**
 * Who may do what to what, when and how far: allow, ask or deny. The first rule that matches decides; where none does,
 * the answer is deny. Freezes stand before all rules and hold back everything but an undo.
 */
import { z } from "zod";
import type { Instant } from "../../kernel/time.js";
import { parseInstant, WINDOW } from "../../kernel/window.js";
import { CRITICALITIES } from "../../topology/domain/component.js";

const VERDICT = z.enum(["allow", "ask", "deny"]);
const ACTOR_KIND = z.enum(["human", "mcp", "rule", "schedule", "system"]);
const ROLE = z.enum(["viewer", "operator", "approver", "admin"]);
/** Whom a rule may ask for an approval. */
const APPROVER = z.enum(["approver", "admin"]);

const INSTANT = z.string().transform((text, context): Instant => {
  const instant = parseInstant(text);
  if (instant !== undefined) return instant;
  context.addIssue({
    code: "custom",
    message: `not an instant: "${text}", expected such as 2026-12-20T00:00:00Z`,
  });
  return z.NEVER;
});

const SHARE = z.number().min(0).max(1);
const NAME = z.string().min(1).max(200);

const RULE = z.strictObject({
  name: NAME.describe("how people will know the rule"),
  /** Kinds of requester. */
  actors: z.array(ACTOR_KIND).optional(),
  /** Names of requesters. */
  requesters: z.array(z.string()).optional(),
  /** Roles of which the requester must hold one. */
  roles: z.array(ROLE).optional(),
  /** `*` is any. */
  actions: z.array(z.string()).optional(),
  /** Labels that the node must have. */
  nodes: z.record(z.string(), z.string()).optional(),
  /** Components of which one must be on the node. */
  components: z.array(z.string()).optional(),
  /** Holds only within one of these. */
  windows: z.array(WINDOW).min(1).optional(),
  /** Holds from, and until before, an instant. */
  from: INSTANT.optional(),
  until: INSTANT.optional(),
  /** Holds only for plans that reach no farther. */
  reach: z
    .strictObject({
      maxNodes: z.int().min(1).optional(),
      maxRoleShare: SHARE.optional(),
      /** Of the components on the node and of those that depend on them. */
      maxCriticality: z.enum(CRITICALITIES).optional(),
    })
    .optional(),
  /** Holds only for plans that can be undone or leave nothing to undo (true), or cannot be undone (false). */
  reversible: z.boolean().optional(),
  verdict: VERDICT,
  /** With `ask`: how many different people must approve. */
  approvals: z.int().min(1).max(5).optional(),
  /** With `ask`: the role each of them must have; admin may always. */
  approver: APPROVER.optional(),
  /** With `ask`: whether the person behind the requesting MCP client may be the one approver. */
  elicitation: z.boolean().optional(),
  /** What `twoPersons` demands is not demanded here: the rule's author takes it on. */
  onePersonIsEnough: z.boolean().optional(),
});

const FREEZE = z
  .strictObject({
    name: NAME,
    reason: z.string().min(1).max(1_000),
    from: INSTANT.optional(),
    until: INSTANT.optional(),
    /** Recurring: within any of these, between `from` and `until` where given. */
    windows: z.array(WINDOW).min(1).optional(),
    /** Only nodes with these labels. */
    nodes: z.record(z.string(), z.string()).optional(),
    /** Only nodes with one of these components. */
    components: z.array(z.string()).optional(),
  })
  .refine(
    ({ from, until, windows }) => windows !== undefined || (from !== undefined && until !== undefined),
    {
      message: "expected from and until, or windows that recur",
    },
  )
  .refine(({ from, until }) => from === undefined || until === undefined || from < until, {
    message: "from is not before until",
  });

const POLICY = z.strictObject({
  limits: z
    .strictObject({
      openPerNode: z.int().min(1).max(100).default(2),
      perNodePerHour: z.int().min(1).max(10_000).default(12),
    })
    .default({ openPerNode: 2, perNodePerHour: 12 }),
  /** What two people must approve, whatever a rule says that does not take it on itself. Nothing where it is left out. */
  twoPersons: z
    .strictObject({
      /** Plans that cannot be undone. */
      irreversible: z.boolean().default(true),
      /** Plans that act on more than this share of the nodes of a role. */
      overRoleShare: SHARE.default(0.5),
    })
    .optional(),
  freezes: z.array(FREEZE).max(1_000).optional(),
  rules: z.array(RULE).max(1_000).default([]),
});

export type PolicyRule = z.infer<typeof RULE>;
export type Freeze = z.infer<typeof FREEZE>;
export type Policy = z.infer<typeof POLICY>;
export type ApproverRole = z.infer<typeof APPROVER>;

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
