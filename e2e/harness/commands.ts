/** Commands as a test asks for them and waits for them. */
import { type Command, CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import type { Operator } from "./operator.js";
import { until } from "./until.js";

let requests = 0;

/** Requests an action; answers the command with its plan. */
export async function request(
  operator: Operator,
  node: string,
  action: string,
  args: object,
  requestId?: string,
): Promise<Command> {
  const { command } = await operator.commands().requestCommand({
    requestId: requestId ?? `request-${++requests}`,
    nodeId: node,
    action,
    argumentsJson: JSON.stringify(args),
    reason: "a test wants it",
    waitMs: 10_000,
  });
  if (command === undefined) throw new Error("no command");
  return command;
}

/** The command once it is in one of `states`. */
export function reaches(
  operator: Operator,
  commandId: string,
  states: readonly CommandState[],
  withinMs?: number,
): Promise<Command> {
  let last = "";
  return until(
    `command ${commandId} to be ${states.map((state) => CommandState[state]).join(" or ")}`,
    async () => {
      const { command } = await operator.commands().getCommand({ commandId });
      last = `${CommandState[command?.state ?? 0]}: ${command?.because}`;
      if (command !== undefined && states.includes(command.state)) return command;
      throw new Error(`it is ${last}`);
    },
    withinMs,
  );
}

/** The kinds of the journal's entries about a command. */
export async function journalOf(operator: Operator, commandId: string): Promise<readonly string[]> {
  const { entries } = await operator.journal().listEntries({ subject: `command:${commandId}` });
  return entries.map((entry) => entry.kind);
}
