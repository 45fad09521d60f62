/** What the control plane knows of MCP: the account of calls, and the switch. */
import { type McpService, McpSwitch } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import type { CallRecord, EndedCall } from "../audit/call-record.js";
import { cleanLine } from "../clean-text.js";
import type { Line } from "./line.js";
import { timestampOf } from "./wire.js";

export interface SwitchView {
  readonly state: "on" | "read-only" | "off";
  readonly because: string;
  readonly setBy: string;
}

const STATES: Readonly<Partial<Record<McpSwitch, SwitchView["state"]>>> = {
  [McpSwitch.ON]: "on",
  [McpSwitch.READ_ONLY]: "read-only",
  [McpSwitch.OFF]: "off",
};
/** A look at the switch holds up calls. */
const LOOK_TIMEOUT_MS = 2_000;

export function mcpRoom(line: Line<typeof McpService>) {
  return {
    /** Writes the calls as the speaker's, all or none. */
    async journalCalls(
      calls: readonly (CallRecord & Partial<EndedCall> & { readonly phase: "begun" | "ended" })[],
    ): Promise<void> {
      const told = calls.map((call) => ({
        ...call,
        at: timestampOf(call.at),
        durationMs: Math.max(0, Math.round(call.durationMs ?? 0)),
      }));
      await line.ask((to, how) => to.journalCalls({ calls: told }, how));
    },
    async switchState(): Promise<SwitchView> {
      const { state, because, setBy } = await line.ask(
        (to, how) => to.getMcpSwitch({}, how),
        LOOK_TIMEOUT_MS,
      );
      // A state that this build does not know is not taken for a yes.
      return {
        state: STATES[state] ?? "off",
        because: cleanLine(because, 300),
        setBy: cleanLine(setBy, 128),
      };
    },
  };
}
