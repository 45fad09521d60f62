/**
 * A command of the control plane as a task of the protocol. The control plane keeps it, so a task outlives this server
 * and its own; nothing is kept here, and who may see or stop it is the control plane's to say.
 */
import type { ServerContext } from "@modelcontextprotocol/server";
import { CLIENT_CAPABILITIES_META_KEY, ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { approvalRequest, decisionIn, takesForms } from "../approval/person.js";
import { approvalPrompt, mayAskHere } from "../approval/prompt.js";
import type { Calls, LocalCaller } from "../calls.js";
import { cleanBlock } from "../clean-text.js";
import type { Rooms } from "../control-plane/client.js";
import type { CommandWholeView, OutputView } from "../control-plane/commands.js";
import { outputText } from "../control-plane/commands.js";
import type { PlanView } from "../control-plane/plan.js";
import { OpsError } from "../errors.js";
import type { DetailedTask, Task, TaskDesk, TaskStatus } from "../protocol/task.js";
import type { TaskNews } from "../protocol/task-listen.js";
import { thingUri } from "../resources/uris.js";
import { renderText } from "../tools/answer.js";
import { TOKENS_DEFAULT } from "../tools/budget.js";

const PREFIX = "command-";
const POLL_MS = 2_000;
const OUTPUT_CHARS = 3_000;

const STATUS: Readonly<Record<string, TaskStatus>> = {
  planning: "working",
  planned: "working",
  awaiting_approval: "working",
  approved: "working",
  sent: "working",
  running: "working",
  cancelled: "cancelled",
};

/** Fixed words: what a host says of a command is in its result, not in its status. */
const MESSAGES: Readonly<Record<string, string>> = {
  planning: "The node is asked what it would do.",
  planned: "Planned and held; change_apply goes on.",
  awaiting_approval: "Waits for a person's approval; command_get shows the plan.",
  approved: "Approved; waits for the node.",
  sent: "On its way to the node.",
  running: "Runs on the node.",
};

/** The command's task, as it is told when it begins. */
export function taskOf({ command }: CommandWholeView): Task {
  const at = command.requested_at ?? command.changed_at ?? new Date(0).toISOString();
  const message = MESSAGES[command.state];
  return {
    taskId: `${PREFIX}${command.command_id}`,
    status: STATUS[command.state] ?? "completed",
    ...(message === undefined ? {} : { statusMessage: message }),
    createdAt: at,
    lastUpdatedAt: command.changed_at ?? at,
    // The control plane keeps commands as long as its journal.
    ttlMs: null,
    pollIntervalMs: POLL_MS,
  };
}

/** The command a task stands for; undefined when it is no task of ours. */
export function commandIdOf(taskId: string): string | undefined {
  return taskId.startsWith(PREFIX) && taskId.length > PREFIX.length ? taskId.slice(PREFIX.length) : undefined;
}

/** The command's task, as it is told when it is asked for. */
export function detailedTask(
  whole: CommandWholeView & { readonly output: readonly OutputView[] },
  canAsk: boolean,
  hex: (digits: number) => string,
): DetailedTask {
  const task = taskOf(whole);
  if (task.status === "completed") return { ...task, result: resultOf(whole, hex) };
  const { command, plan } = whole;
  if (plan === undefined || !canAsk || !mayAskHere(whole)) return task;
  const inputRequests = { [keyOf(plan)]: approvalRequest(approvalPrompt(command, plan)) };
  return { ...task, status: "input_required", inputRequests };
}

/** What changes with tasks, for somebody who listens: read with their own token, while their stream is open. */
export function commandNews(
  commands: Rooms["commands"],
  meta: unknown,
  hex: (digits: number) => string,
): TaskNews {
  const envelope: Readonly<Record<string, unknown>> = { ...(typeof meta === "object" ? meta : {}) };
  const canAsk = takesForms(envelope[CLIENT_CAPABILITIES_META_KEY]);
  return {
    uriOf(taskId) {
      const commandId = commandIdOf(taskId);
      return commandId === undefined ? undefined : thingUri("command", commandId);
    },
    async read(taskId) {
      try {
        return detailedTask(await commands.getCommand(commandIdOf(taskId) ?? "", OUTPUT_CHARS), canAsk, hex);
      } catch (error) {
        const code = error instanceof OpsError ? error.code : "UNKNOWN";
        if (code === "NOT_FOUND" || code === "INVALID_ARGUMENT") return undefined;
        throw error;
      }
    },
  };
}

export class CommandTasks implements TaskDesk {
  readonly #calls: Calls;
  readonly #local: LocalCaller | undefined;
  readonly #canAsk: (context: ServerContext) => boolean;

  /** @param canAsk whether the client of a request can put a form before a person */
  constructor(calls: Calls, local: LocalCaller | undefined, canAsk: (context: ServerContext) => boolean) {
    this.#calls = calls;
    this.#local = local;
    this.#canAsk = canAsk;
  }

  get(taskId: string, context: ServerContext): Promise<DetailedTask | undefined> {
    return this.#with(taskId, "tasks/get", context, async (rooms, commandId) => {
      const whole = await rooms.commands.getCommand(commandId, OUTPUT_CHARS);
      return detailedTask(whole, this.#canAsk(context), this.#calls.hex);
    });
  }

  /**
   * Takes what the person at the client said of the plan. The key names the plan, so an answer to an earlier one is no
   * answer; and a plan is approved once, so an answer that is sent again changes nothing.
   */
  async update(
    taskId: string,
    answers: Readonly<Record<string, unknown>>,
    context: ServerContext,
  ): Promise<boolean> {
    const done = await this.#with(taskId, "tasks/update", context, async (rooms, commandId) => {
      const whole = await rooms.commands.getCommand(commandId, 0);
      const { plan } = whole;
      if (plan === undefined || !mayAskHere(whole) || !this.#canAsk(context)) return true;
      const decision = decisionIn({ ...answers }, keyOf(plan));
      if (decision === "approved") await rooms.commands.approveElicited(commandId, plan.hash);
      if (decision === "declined")
        await rooms.commands.cancel(commandId, "the person at the MCP client declined it");
      return true;
    });
    return done ?? false;
  }

  async cancel(taskId: string, context: ServerContext): Promise<boolean> {
    const done = await this.#with(taskId, "tasks/cancel", context, async (rooms, commandId) => {
      try {
        await rooms.commands.cancel(commandId, "the client cancelled its task");
      } catch (error) {
        // It has ended already, and stays as it ended.
        if (!(error instanceof OpsError) || error.code !== "FAILED_PRECONDITION") throw error;
        await rooms.commands.getCommand(commandId, 0);
      }
      return true;
    });
    return done ?? false;
  }

  async #with<T>(
    taskId: string,
    name: string,
    context: ServerContext,
    work: (rooms: Rooms, commandId: string) => Promise<T>,
  ): Promise<T | undefined> {
    const commandId = commandIdOf(taskId);
    if (commandId === undefined) return undefined;
    const outcome = await this.#calls.carry({ kind: "task", name }, context, this.#local, (rooms) =>
      work(rooms, commandId),
    );
    if (outcome.kind === "answered") return outcome.value;
    const { code, message } = outcome.error;
    // An id that is no id is one that nobody has.
    if (code === "NOT_FOUND" || code === "INVALID_ARGUMENT") return undefined;
    throw new ProtocolError(ProtocolErrorCode.InternalError, `${code}: ${message}`, { code });
  }
}

/** What the person's answer stands under: another plan has another key. */
function keyOf({ hash }: PlanView): string {
  return `approve-${hash.slice(0, 16)}`;
}

/** What the call would have answered, had it waited for the end. */
function resultOf(
  { command, plan, output }: CommandWholeView & { readonly output: readonly OutputView[] },
  hex: (digits: number) => string,
): Record<string, unknown> {
  const summary = `Command ${command.command_id} (${command.action} on ${JSON.stringify(command.node)}) ended: ${command.state}${command.exit_code === undefined ? "" : `, exit code ${command.exit_code}`}${command.verification === undefined ? "" : `; verification: ${command.verification}`}.`;
  const data = [
    `because: ${command.because ?? "-"}`,
    ...(command.summary === undefined ? [] : [`summary: ${command.summary}`]),
    ...(output.length === 0 ? [] : ["output:", outputText(output, OUTPUT_CHARS + 500)]),
  ].join("\n");
  return {
    content: [{ type: "text", text: renderText(summary, cleanBlock(data), hex, TOKENS_DEFAULT) }],
    structuredContent: { command, ...(plan === undefined ? {} : { plan }) },
    isError: command.state !== "succeeded",
    _meta: { "mainstay/host-made": ["command", "plan"] },
  };
}
