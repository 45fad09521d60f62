/** Who did, or asked for, something. */
export interface Actor {
  readonly kind: "human" | "agent" | "rule" | "schedule" | "mcp" | "system";
  /** The principal's, node's or rule's name. */
  readonly name: string;
}

/** The control plane itself. */
export const SYSTEM: Actor = { kind: "system", name: "control-plane" };
