/** McpService: proto message ↔ delegation, calls, switch and rules. */
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type McpService, McpSwitch as WireSwitch } from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { appendEntries } from "../journal/journal.module.js";
import { OpsError } from "../kernel/errors.js";
import type { Instant } from "../kernel/time.js";
import { formatTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import { ROLE_TO_WIRE, roleFromWire } from "./access.api.js";
import { readRules } from "./delegation.store.js";
import { issueDelegation, readPrincipal } from "./delegations.js";
import type { SwitchState } from "./domain/judge-switch.js";
import { CALLS_MAX, entryOfCall } from "./domain/mcp-call.js";
import type { McpSwitchWatch } from "./mcp-switch.loop.js";
import { addRule, removeRule, setSwitch, whomOf } from "./principal-rules.js";
import type { TokensDeps } from "./tokens.js";

const SWITCH_TO_WIRE: Readonly<Record<SwitchState, WireSwitch>> = {
  on: WireSwitch.ON,
  "read-only": WireSwitch.READ_ONLY,
  off: WireSwitch.OFF,
};

function switchFromWire(wire: WireSwitch): SwitchState {
  if (wire === WireSwitch.ON) return "on";
  if (wire === WireSwitch.READ_ONLY) return "read-only";
  if (wire === WireSwitch.OFF) return "off";
  throw new OpsError("INVALID_ARGUMENT", `set the MCP switch: ${wire} is not a state: on, read-only or off`);
}

export interface McpApiDeps extends TokensDeps {
  readonly switchWatch: McpSwitchWatch;
}

export function mcpApi(deps: McpApiDeps): ServiceImplementation<typeof McpService, CallContext> {
  const { database, system, switchWatch } = deps;
  return {
    async issueDelegation(request, { caller, trace }) {
      if (caller.actor.kind !== "mcp") {
        throw new OpsError(
          "PERMISSION_DENIED",
          `issue delegation: the token of ${caller.actor.name} is of kind ${caller.actor.kind}, expected mcp`,
        );
      }
      const made = await issueDelegation(deps, {
        principal: readPrincipal(request),
        scopes: request.scopes,
        notAfter: instantOf(request.notAfter),
        by: caller,
        traceparent: formatTraceparent(trace),
      });
      return {
        token: made.text,
        expiresAt: timestampFromMs(made.expiresAt),
        name: made.name,
        roles: made.roles.map((role) => ROLE_TO_WIRE[role]),
        rolesWithAllScopes: made.rolesWithAllScopes.map((role) => ROLE_TO_WIRE[role]),
      };
    },

    async journalCalls({ calls }, { caller }) {
      if (calls.length === 0 || calls.length > CALLS_MAX) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `journal calls: ${calls.length} calls, expected 1 to ${CALLS_MAX}`,
        );
      }
      const now = system.clock.now();
      const entries = calls.map((call) => {
        const read = entryOfCall({ ...call, at: instantOf(call.at) }, caller.actor, now);
        if (read.kind === "fault") throw new OpsError("INVALID_ARGUMENT", read.because);
        return read.entry;
      });
      const written = await database.transaction((tx) => appendEntries(tx, entries));
      return { position: BigInt(written.at(-1)?.position ?? 0) };
    },

    async getMcpSwitch() {
      const { state, because, setBy, setAt } = switchWatch.current;
      return {
        state: SWITCH_TO_WIRE[state],
        because,
        setBy,
        ...(setAt === undefined ? {} : { setAt: timestampFromMs(setAt) }),
      };
    },

    async setMcpSwitch(request, { caller, trace }) {
      await setSwitch(deps, {
        state: switchFromWire(request.state),
        because: request.because,
        by: caller.actor,
        traceparent: formatTraceparent(trace),
      });
      // Whoever set it finds it set.
      await switchWatch.look();
      return {};
    },

    async listPrincipalRules() {
      const rules = await readRules(database);
      return {
        rules: rules.map(({ ruleId, issuer, whom, roles, createdAt, createdBy }) => ({
          ruleId,
          issuer,
          ...whom,
          roles: roles.map((role) => ROLE_TO_WIRE[role]),
          createdAt: timestampFromMs(createdAt),
          createdBy,
        })),
      };
    },

    async putPrincipalRule({ rule }, { caller, trace }) {
      const { issuer = "", subject = "", claim = "", value = "", roles = [] } = rule ?? {};
      const ruleId = await addRule(deps, {
        issuer,
        whom: whomOf(subject, claim, value),
        roles: roles.map((role) => roleFromWire(role, "put principal rule")),
        by: caller.actor,
        traceparent: formatTraceparent(trace),
      });
      return { ruleId };
    },

    async deletePrincipalRule({ ruleId }, { caller, trace }) {
      await removeRule(deps, ruleId, caller.actor, formatTraceparent(trace));
      return {};
    },
  };
}

function instantOf(time: Timestamp | undefined): Instant | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1_000 + Math.floor(time.nanos / 1e6);
}
