/** Plan first, then apply, and undo: what is done to hosts from the command line. */
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { parseDuration, SECOND } from "#src/kernel/time";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { requestId } from "../system.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";
import { followed, planToConfirm, told, WATCH, WATCH_HELP } from "./told-command.js";

const PLAN_WAIT_MS = 10_000;

/** Asks the agent what it would do, and touches nothing. */
async function plan(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const [nodeId = "", action = "", ...given] = invocation.positionals;
  const expires = textFlag(invocation, "expires");
  const expiresInMs = expires === undefined ? 0 : parseDuration(expires);
  if (expiresInMs === undefined || (expires !== undefined && expiresInMs < SECOND))
    throw new Failure(`--expires is "${expires}", expected such as 30m or 2h`);
  const { command } = await commands.requestCommand({
    requestId: textFlag(invocation, "request-id") ?? requestId(),
    nodeId,
    action,
    argumentsJson: argumentsOf(given, textFlag(invocation, "arguments")),
    reason: textFlag(invocation, "reason") ?? "",
    expiresInSeconds: Math.round(expiresInMs / SECOND),
    requireApproval: invocation.flags["require-approval"] === true,
    hold: true,
    waitMs: PLAN_WAIT_MS,
  });
  const code = told(invocation, command);
  if (command?.state !== CommandState.PLANNING) return code;
  invocation.warn(`the agent has not answered yet: mainstay get ${command.commandId}`);
  return EXIT.degraded;
}

/** `name=value`: a number or truth value where it reads as one, else text; `name:=JSON` is taken as it stands. */
export function argumentsOf(given: readonly string[], json: string | undefined): string {
  if (json !== undefined && given.length > 0)
    throw new Failure("give either --arguments JSON or NAME=VALUE, not both");
  if (json !== undefined) return json;
  const entries = given.map((text): [string, unknown] => {
    const [, name = "", colon = "", value = ""] = /^([A-Za-z][A-Za-z0-9]*)(:?)=(.*)$/s.exec(text) ?? [];
    if (name === "") throw new Failure(`"${text}" is no argument; expected NAME=VALUE`);
    return [name, colon === ":" ? parsed(text, value) : scalar(value)];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

function scalar(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?(?:0|[1-9]\d{0,15})(?:\.\d+)?$/.test(text) ? Number(text) : text;
}

function parsed(argument: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Failure(`"${argument}": what stands after := is not JSON`);
  }
}

async function apply(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const commandId = invocation.positionals[0] ?? "";
  const planHash = await planToConfirm(invocation, commandId, "apply");
  const { command } = await commands.applyCommand({ commandId, planHash });
  return followed(invocation, command);
}

async function undo(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const { command } = await commands.undoCommand({
    commandId: invocation.positionals[0] ?? "",
    requestId: textFlag(invocation, "request-id") ?? requestId(),
    reason: reasonOf(invocation),
    hold: invocation.flags["hold"] === true,
    waitMs: PLAN_WAIT_MS,
  });
  return followed(invocation, command);
}

const REQUEST_ID = { "request-id": { type: "string" } } as const;
const REQUEST_ID_HELP = "  --request-id ID       the same one again gives the same command";

export const planCommands: readonly Command[] = [
  {
    name: "plan",
    usage: "NODE ACTION [NAME=VALUE...] [--reason TEXT]",
    summary: "Ask an agent what it would do, and what policy says of it; nothing is touched.",
    help: `  NAME=VALUE            an argument of the action; NAME:=JSON for a list or a mapping
  --arguments JSON      all arguments at once
${REASON_HELP}
  --expires DURATION    how long the plan may be applied (default 10m, at most 24h)
  --require-approval    ask for another person even if policy would allow it
${REQUEST_ID_HELP}`,
    options: {
      arguments: { type: "string" },
      expires: { type: "string" },
      "require-approval": { type: "boolean" },
      ...REASON,
      ...REQUEST_ID,
    },
    positionals: { least: 2, most: 32 },
    run: plan,
  },
  {
    name: "apply",
    usage: "ID --plan HASH [--watch]",
    summary: "Carry out a plan: at once where policy allows it, after approval where policy asks.",
    help: `  --plan HASH           of the plan that you have read; its first 12 characters are enough
${WATCH_HELP}`,
    options: { plan: { type: "string" }, ...WATCH },
    changes: true,
    positionals: { least: 1, most: 1 },
    run: apply,
  },
  {
    name: "undo",
    usage: "ID --reason TEXT [--hold] [--watch]",
    summary: "Take back what a command did, by the inverse that its plan has named.",
    help: `${REASON_HELP}
  --hold                only plan it; mainstay apply carries it out
${WATCH_HELP}
${REQUEST_ID_HELP}`,
    options: { hold: { type: "boolean" }, ...REASON, ...WATCH, ...REQUEST_ID },
    changes: true,
    positionals: { least: 1, most: 1 },
    run: undo,
  },
];
