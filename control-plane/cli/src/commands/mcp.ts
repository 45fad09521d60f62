/** AI clients: who may come, and the switch that ends what they do. */
import { toJson } from "@bufbuild/protobuf";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import {
  GetMcpSwitchResponseSchema,
  ListPrincipalRulesResponseSchema,
  McpSwitch,
} from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, render, table, timeText } from "../output.js";

const STATES: Readonly<Record<string, McpSwitch>> = {
  on: McpSwitch.ON,
  "read-only": McpSwitch.READ_ONLY,
  off: McpSwitch.OFF,
};

async function show(invocation: Invocation): Promise<ExitCode> {
  return (await tell(invocation)) === McpSwitch.ON ? EXIT.ok : EXIT.degraded;
}

/** Writes how the switch stands, and answers it. */
async function tell(invocation: Invocation): Promise<McpSwitch> {
  const { mcp } = await invocation.controlPlane();
  const answer = await mcp.getMcpSwitch({});
  invocation.write(
    render(invocation.form, toJson(GetMcpSwitchResponseSchema, answer), () =>
      answer.state === McpSwitch.ON
        ? "on"
        : `${enumWords(McpSwitch, answer.state)}, by ${answer.setBy} at ${timeText(answer.setAt)}: ${answer.because}`,
    ),
  );
  return answer.state;
}

async function set(invocation: Invocation): Promise<ExitCode> {
  const [name = ""] = invocation.positionals;
  const state = STATES[name];
  if (state === undefined) throw new Failure(`the state is "${name}", expected on, read-only or off`);
  const because = textFlag(invocation, "reason") ?? "";
  if (state !== McpSwitch.ON && because.trim() === "")
    throw new Failure("give --reason TEXT: it is told to whoever is refused");
  const { mcp } = await invocation.controlPlane();
  await mcp.setMcpSwitch({ state, because });
  // What was asked for was done; that something is refused now is what it was asked for.
  const now = await tell(invocation);
  return now === state ? EXIT.ok : EXIT.degraded;
}

async function rules(invocation: Invocation): Promise<ExitCode> {
  const { mcp } = await invocation.controlPlane();
  const answer = await mcp.listPrincipalRules({});
  invocation.write(
    render(invocation.form, toJson(ListPrincipalRulesResponseSchema, answer), () =>
      table(
        ["RULE", "ISSUER", "WHO", "ROLES", "BY"],
        answer.rules.map(({ ruleId, issuer, subject, claim, value, roles, createdBy }) => [
          ruleId,
          issuer,
          subject === "" ? `${claim}=${value}` : subject,
          roles.map((role) => enumWords(Role, role)).join(", "),
          createdBy,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

function rolesOf(text: string): Role[] {
  return text.split(",").map((name) => {
    const role = Object.entries(Role).find(([known]) => known === name.trim().toUpperCase())?.[1];
    if (typeof role !== "number" || role === Role.UNSPECIFIED)
      throw new Failure(`--roles names "${name}", expected viewer, operator, approver or admin`);
    return role;
  });
}

async function allow(invocation: Invocation): Promise<ExitCode> {
  const [issuer = "", who = ""] = invocation.positionals;
  const [claim = "", value = ""] = who.includes("=") ? who.split(/=(.*)/s) : [];
  const roles = rolesOf(textFlag(invocation, "roles") ?? "viewer");
  const { mcp } = await invocation.controlPlane();
  const subject = claim === "" ? who : "";
  await mcp.putPrincipalRule({ rule: { issuer, subject, claim, value, roles } });
  return rules(invocation);
}

async function forbid(invocation: Invocation): Promise<ExitCode> {
  const [ruleId = ""] = invocation.positionals;
  const { mcp } = await invocation.controlPlane();
  await mcp.deletePrincipalRule({ ruleId });
  return rules(invocation);
}

const NOTHING = { help: "", options: {}, positionals: { least: 0, most: 0 } } as const;

export const mcpCommands: readonly Command[] = [
  {
    name: "mcp switch",
    usage: "",
    summary: "What AI clients may do now; exit code 2 when something is refused.",
    ...NOTHING,
    run: show,
  },
  {
    name: "mcp set",
    usage: "on|read-only|off [--reason TEXT]",
    summary: "Refuse AI clients' changes, or all they ask, on every replica; or let them again.",
    help: "  --reason TEXT         told to whoever is refused; needed unless it is put on",
    options: { reason: { type: "string" } },
    positionals: { least: 1, most: 1 },
    changes: true,
    run: set,
  },
  {
    name: "mcp rules",
    usage: "",
    summary: "Who of an identity provider's users has which roles.",
    ...NOTHING,
    run: rules,
  },
  {
    name: "mcp allow",
    usage: "ISSUER SUBJECT|CLAIM=VALUE [--roles ROLES]",
    summary: "Give somebody, or everybody with a claim, roles over MCP.",
    help: "  --roles ROLES         separated by commas (default viewer)",
    options: { roles: { type: "string" } },
    positionals: { least: 2, most: 2 },
    changes: true,
    run: allow,
  },
  {
    name: "mcp forbid",
    usage: "RULE",
    summary: "Take a rule away; what was given by it ends within seconds.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1 },
    changes: true,
    run: forbid,
  },
];
