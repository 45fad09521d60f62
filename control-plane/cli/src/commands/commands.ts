/** Commands to hosts: looked at, approved, rejected, cancelled, watched. */
import { toJson } from "@bufbuild/protobuf";
import {
  CommandState,
  GetCommandResponseSchema,
  ListCommandsResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, render, table, timeText } from "../output.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";
import {
  describe,
  exitOf,
  follow,
  followed,
  outputText,
  planToConfirm,
  told,
  WATCH,
  WATCH_HELP,
} from "./told-command.js";

const LIST_MAX = 200;

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

/** An approval names the plan that was read, so that no other is approved by it. */
async function approve(invocation: Invocation): Promise<ExitCode> {
  const { commands } = await invocation.controlPlane();
  const commandId = invocation.positionals[0] ?? "";
  const reason = reasonOf(invocation);
  const planHash = await planToConfirm(invocation, commandId, "approve");
  const { command } = await commands.approveCommand({ commandId, planHash, reason });
  return followed(invocation, command);
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

/** Until it has ended, or the person has seen enough; the exit code is that of where it stands then. */
function watch(invocation: Invocation): Promise<ExitCode> {
  return follow(invocation, invocation.positionals[0] ?? "");
}

export const commandCommands: readonly Command[] = [
  {
    name: "commands list",
    aliases: ["list"],
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
    aliases: ["get"],
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
    aliases: ["approve"],
    changes: true,
    usage: "ID --plan HASH --reason TEXT [--watch]",
    summary: "Let a command run; without --plan it shows the plan, and asks where somebody sits there.",
    help: `  --plan HASH           of the plan that you have read; its first 12 characters are enough
${REASON_HELP}
${WATCH_HELP}`,
    options: { plan: { type: "string" }, ...REASON, ...WATCH },
    positionals: { least: 1, most: 1 },
    run: approve,
  },
  {
    name: "commands reject",
    aliases: ["reject"],
    changes: true,
    usage: "ID --reason TEXT",
    summary: "Say no to a command that waits for approval.",
    help: REASON_HELP,
    options: REASON,
    positionals: { least: 1, most: 1 },
    run: reject,
  },
  {
    name: "commands cancel",
    aliases: ["cancel"],
    changes: true,
    usage: "ID --reason TEXT",
    summary: "Take a command back; one that runs is asked to stop.",
    help: REASON_HELP,
    options: REASON,
    positionals: { least: 1, most: 1 },
    run: cancel,
  },
  {
    name: "commands watch",
    aliases: ["watch"],
    usage: "ID",
    summary: "Follow a command and its output until it has ended.",
    help: "",
    options: {},
    positionals: { least: 1, most: 1 },
    run: watch,
  },
];
