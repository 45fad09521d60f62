/** What an access token's scopes let its holder call. The control plane judges again, by the principal's roles. */

export const SCOPES = ["mainstay:read", "mainstay:plan", "mainstay:apply"] as const;
export type Scope = (typeof SCOPES)[number];

/** Without it nothing is answered. */
export const BASE_SCOPE: Scope = "mainstay:read";

/** Tools that carry out a plan; other tools that write only make plans. */
const APPLYING: ReadonlySet<string> = new Set(["change_apply"]);

/** The scope that a call of the tool needs. */
export function scopeOfTool(tool: { readonly name: string; readonly effect: "read" | "write" }): Scope {
  if (tool.effect === "read") return BASE_SCOPE;
  return APPLYING.has(tool.name) ? "mainstay:apply" : "mainstay:plan";
}

/** Of the scopes in a token those that mean something here, each once, in our order. */
export function knownScopes(named: readonly string[]): readonly Scope[] {
  return SCOPES.filter((scope) => named.includes(scope));
}
