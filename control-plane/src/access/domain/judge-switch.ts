/** The switch that ends what AI clients do: all of it, or what asks for changes. */
import type { Actor } from "../../kernel/actor.js";
import type { Instant } from "../../kernel/time.js";
import { needOf } from "./permit.js";

export const SWITCH_STATES = ["on", "read-only", "off"] as const;
export type SwitchState = (typeof SWITCH_STATES)[number];

export interface Switch {
  readonly state: SwitchState;
  /** Told to whoever is refused. */
  readonly because: string;
  readonly setBy: string;
  readonly setAt: Instant | undefined;
}

export const SWITCHED_ON: Switch = { state: "on", because: "", setBy: "", setAt: undefined };

/** What an MCP server must still be able to do, to say and to write down that it was refused. */
const ALWAYS: ReadonlySet<string> = new Set(
  [
    "AccessService/WhoAmI",
    "McpService/IssueDelegation",
    "McpService/JournalCalls",
    "McpService/GetMcpSwitch",
  ].map((method) => `mainstay.operator.v1.${method}`),
);

/** Why the call is refused; undefined when the switch lets it. */
export function refusedBySwitch(
  { state, because, setBy }: Switch,
  actor: Actor,
  method: string,
): string | undefined {
  if (state === "on" || actor.kind !== "mcp" || ALWAYS.has(method)) return undefined;
  if (state === "read-only" && needOf(method) === "read") return undefined;
  const what = state === "off" ? "calls" : "changes";
  return `${what} by AI clients are switched off by ${setBy}: ${because}`;
}
