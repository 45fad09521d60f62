/** Commands to hosts: looked at, approved, rejected, cancelled, watched. */
import { toJson } from "@bufbuild/protobuf";
import {
  CommandSchema,
  CommandState,
  GetCommandResponseSchema,
  ListCommandsResponseSchema,
  type Command as WireCommand,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, printable, render, table, timeText } from "../output.js";

const LIST_MAX = 200;

const ENDS: ReadonlyMap<CommandState, ExitCode> = new Map([
  [CommandState.SUCCEEDED, EXIT.ok],
  [CommandState.FAILED, EXIT.failed],
  [CommandState.REFUSED, EXIT.denied],
  [CommandState.CANCELLED, EXIT.failed],
  [CommandState.TIMED_OUT, EXIT.failed],
  [CommandState.EXPIRED, EXIT.failed],
  [CommandState.INTERRUPTED, EXIT.failed],
]);

function exitOf(command: WireCommand | undefined): ExitCode {
  if (command?.state === CommandState.AWAITING_APPROVAL) return EXIT.waiting;
  return ENDS.get(command?.state ?? CommandState.UNSPECIFIED) ?? EXIT.ok;
}

function describe(command: WireCommand): string {
  const { plan } = command;
  return [
    `${command.commandId}: ${enumWords(CommandState, command.state)}, because ${command.because}`,
    `${command.action} on ${command.nodeName}, arguments ${command.argumentsJson}`,
    `requested by ${command.requestedBy?.kind ?? ""}:${command.requestedBy?.name ?? ""} at ${timeText(command.requestedAt)}: ${command.reason}`,
    ...(plan === undefined
      ? []
      : [`plan ${plan.hash}: ${plan.summary}`, `policy says ${plan.verdict}: ${plan.verdictBecause}`]),
    ...(command.summary === "" ? [] : [`result: exit code ${command.exitCode}, ${command.summary}`]),
    ...(command.verification === "" ? [] : [`verification: ${command.verification}`]),
  ]
    .map(printable)
    .join("\n");
}

async function list(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const answer = await commands.listCommands({
    page: { size: LIST_MAX },
    nodeId: textFlag(invocation, "node") ?? "",
    state: invocation.flags["waiting"] === true ? CommandState.AWAITING_APPROVAL : CommandState.UNSPECIFIED,
  });
  invocation.write(
    render(invocation.form, toJson(ListCommandsResponseSchema, answer), () =>
      table(
        ["ID", "STATE", "ACTION", "NODE", "REQUESTED", "BY", "REASON"],
        answer.commands.map((command) => [
          command.commandId,
          enumWords(CommandState, command.state),
          command.action,
          command.nodeName,
          timeText(command.requestedAt),
          command.requestedBy?.name ?? "",
          command.reason,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

async function get(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const answer = await commands.getCommand({ commandId: invocation.positionals[0] ?? "" });
  const { command } = answer;
  if (command === undefined) throw new Failure("the control plane answered without a command");
  invocation.write(
    render(invocation.form, toJson(GetCommandResponseSchema, answer), () => {
      const output = answer.output.map((piece) => outputText(piece.data)).join("");
      return output === "" ? describe(command) : `${describe(command)}\n\n${output.trimEnd()}`;
    }),
  );
  return exitOf(command);
}

/** What a command printed, line by line, without what would steer a terminal. */
function outputText(data: Uint8Array): string {
  return new TextDecoder().decode(data).replace(/[^\P{Cc}\n\t]/gu, "");
}

/** An approval names the plan that was read, so that no other is approved by it. */
async function approve(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const commandId = invocation.positionals[0] ?? "";
  const planHash = textFlag(invocation, "plan");
  if (planHash === undefined) {
    const { command } = await commands.getCommand({ commandId });
    if (command !== undefined) invocation.warn(describe(command));
    throw new Failure("give --plan HASH of the plan that you have read, so that no other is approved by it");
  }
  const { command } = await commands.approveCommand({ commandId, planHash, reason: reasonOf(invocation) });
  return told(invocation, command);
}

async function reject(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const commandId = invocation.positionals[0] ?? "";
  return told(
    invocation,
    (await commands.rejectCommand({ commandId, reason: reasonOf(invocation) })).command,
  );
}

async function cancel(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const commandId = invocation.positionals[0] ?? "";
  return told(
    invocation,
    (await commands.cancelCommand({ commandId, reason: reasonOf(invocation) })).command,
  );
}

function reasonOf(invocation: Invocation): string {
  const reason = textFlag(invocation, "reason");
  if (reason === undefined || reason.trim() === "")
    throw new Failure("give --reason TEXT: it is written into the journal");
  return reason;
}

function told(invocation: Invocation, command: WireCommand | undefined): ExitCode {
  if (command === undefined) throw new Failure("the control plane answered without a command");
  invocation.write(render(invocation.form, toJson(CommandSchema, command), () => describe(command)));
  return EXIT.ok;
}

/** Until it has ended, or the person has seen enough; the exit code is that of where it stands then. */
async function watch(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  let last: WireCommand | undefined;
  const events = commands.watchCommand(
    { commandId: invocation.positionals[0] ?? "" },
    { signal: invocation.signal },
  );
  try {
    for await (const { event } of events) {
      if (event.case === "output") invocation.write(outputText(event.value.data).replace(/\n$/, ""));
      if (event.case !== "command") continue;
      last = event.value;
      const { state, because } = event.value;
      invocation.warn(printable(`${enumWords(CommandState, state)}: ${because}`));
      if (ENDS.has(state)) break;
    }
  } catch (error) {
    if (!invocation.signal.aborted) throw error;
  }
  return exitOf(last);
}

const REASON = { reason: { type: "string" } } as const;
const REASON_HELP = "  --reason TEXT         why; it is written into the journal";

export const commandCommands: readonly Command[] = [
  {
    name: "commands list",
    usage: "[--node ID] [--waiting]",
    summary: "Commands to hosts, newest first.",
    help: `  --node ID             only this node's
  --waiting             only what waits for approval`,
    options: { node: { type: "string" }, waiting: { type: "boolean" } },
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "commands get",
    usage: "ID",
    summary:
      "One command: its plan, what policy says of it, its output; exit code 4 while it waits for approval.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1 },
    run: get,
  },
  {
    name: "commands approve",
    usage: "ID --plan HASH --reason TEXT",
    summary: "Let a command run; without --plan it shows the plan.",
    help: `  --plan HASH           of the plan that you have read\n${REASON_HELP}`,
    options: { plan: { type: "string" }, ...REASON },
    positionals: { least: 1, most: 1 },
    run: approve,
  },
  {
    name: "commands reject",
    usage: "ID --reason TEXT",
    summary: "Say no to a command that waits for approval.",
    help: REASON_HELP,
    options: REASON,
    positionals: { least: 1, most: 1 },
    run: reject,
  },
  {
    name: "commands cancel",
    usage: "ID --reason TEXT",
    summary: "Take a command back; one that runs is asked to stop.",
    help: REASON_HELP,
    options: REASON,
    positionals: { least: 1, most: 1 },
    run: cancel,
  },
  {
    name: "commands watch",
    usage: "ID",
    summary: "Follow a command and its output until it has ended.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1 },
    run: watch,
  },
];
