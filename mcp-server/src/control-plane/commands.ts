/** Commands, their plans and their output, as the control plane tells it. What is approved from here is what a person at the client confirmed. */
import {
  type Command,
  CommandState,
  type CommandsService,
  type OutputPiece,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { z } from "zod";
import { bound, cleanBlock, cleanJson, cleanLine } from "../clean-text.js";
import type { Page, PageAsk } from "./fleet.js";
import type { Line } from "./line.js";
import { type PlanView, planView } from "./plan.js";
import { defined, isoOf, nameOf, textOf } from "./wire.js";

export const COMMAND_STATES = [
  "planning",
  "awaiting_approval",
  "approved",
  "sent",
  "running",
  "succeeded",
  "failed",
  "refused",
  "cancelled",
  "timed_out",
  "expired",
  "interrupted",
  "planned",
] as const;

const OPEN: ReadonlySet<string> = new Set([
  "planning",
  "planned",
  "awaiting_approval",
  "approved",
  "sent",
  "running",
]);

/** Whether something may still happen. */
export function isOpen(state: string): boolean {
  return OPEN.has(state);
}

export const commandSchema = z.object({
  command_id: z.string(),
  node_id: z.string(),
  node: z.string(),
  action: z.string(),
  arguments: z.unknown(),
  state: z.string(),
  because: z.string().optional(),
  requested_by: z.string(),
  reason: z.string().optional(),
  approved_by: z.string().optional(),
  requested_at: z.string().optional(),
  changed_at: z.string().optional(),
  expires_at: z.string().optional(),
  exit_code: z.number().optional(),
  summary: z.string().optional(),
  result: z.unknown().optional(),
  alert_id: z.string().optional(),
  verification: z.string().optional(),
  undoes: z.string().optional(),
  undone_by: z.string().optional(),
});
export type CommandView = z.infer<typeof commandSchema>;

export interface CommandWholeView {
  readonly command: CommandView;
  readonly plan: PlanView | undefined;
}

export const outputSchema = z.object({
  stream: z.string(),
  offset: z.number(),
  text: z.string(),
  skipped_bytes: z.number().optional(),
});
export type OutputView = z.infer<typeof outputSchema>;

const ARGUMENTS_BUDGET = 2_000;
const RESULT_BUDGET = 4_000;

/** How much longer than its own waiting a request may take. */
const REQUEST_MARGIN_MS = 5_000;

export function commandsRoom(line: Line<typeof CommandsService>) {
  return {
    /** Newest first. */
    async listCommands(
      page: PageAsk,
      filter: {
        readonly nodeId: string;
        readonly state: (typeof COMMAND_STATES)[number] | undefined;
        readonly alertId: string;
      },
    ): Promise<Page<CommandView>> {
      const { nodeId, alertId } = filter;
      const state =
        filter.state === undefined ? CommandState.UNSPECIFIED : COMMAND_STATES.indexOf(filter.state) + 1;
      const answer = await line.ask((to, how) => to.listCommands({ page, nodeId, state, alertId }, how));
      return { rows: answer.commands.map(commandView), nextToken: answer.nextToken };
    },
    /** Throws NOT_FOUND. At most `outputChars` characters of output, the first and the last of it. */
    async getCommand(
      commandId: string,
      outputChars: number,
    ): Promise<CommandWholeView & { readonly output: readonly OutputView[] }> {
      const answer = await line.ask((to, how) => to.getCommand({ commandId }, how));
      return { ...wholeView(answer.command), output: outputViews(answer.output, outputChars) };
    },
    /** Stops a command that has not ended. Throws FAILED_PRECONDITION for one that has. */
    async cancel(commandId: string, reason: string): Promise<CommandWholeView> {
      const answer = await line.ask((to, how) => to.cancelCommand({ commandId, reason }, how));
      return wholeView(answer.command);
    },
    /** Lets a held plan go on. Throws FAILED_PRECONDITION when it is not held, is another one or too old. */
    async apply(commandId: string, planHash: string): Promise<CommandWholeView> {
      const answer = await line.ask((to, how) => to.applyCommand({ commandId, planHash }, how));
      return wholeView(answer.command);
    },
    /** Says that the person at the client confirmed this very plan. Throws as policy and the plan have it. */
    async approveElicited(commandId: string, planHash: string): Promise<CommandWholeView> {
      const reason = "confirmed at the MCP client that asked for it";
      const answer = await line.ask((to, how) =>
        to.approveCommand({ commandId, planHash, reason, elicited: true }, how),
      );
      return wholeView(answer.command);
    },
    /** Asks for the plan of undoing a command, and holds it. */
    async undo(ask: {
      readonly commandId: string;
      readonly requestId: string;
      readonly reason: string;
      readonly waitMs: number;
    }): Promise<CommandWholeView> {
      const answer = await line.ask(
        (to, how) => to.undoCommand({ ...ask, hold: true }, how),
        ask.waitMs + REQUEST_MARGIN_MS,
      );
      return wholeView(answer.command);
    },
    /** Asks for a command's plan, and holds it; answers without it when that took longer than `waitMs`. */
    async request(ask: {
      readonly requestId: string;
      readonly nodeId: string;
      readonly action: string;
      readonly argumentsJson: string;
      readonly reason: string;
      readonly alertId: string;
      readonly waitMs: number;
    }): Promise<CommandWholeView> {
      const answer = await line.ask(
        (to, how) => to.requestCommand({ ...ask, hold: true }, how),
        ask.waitMs + REQUEST_MARGIN_MS,
      );
      return wholeView(answer.command);
    },
  };
}

function wholeView(command: Command | undefined): CommandWholeView {
  return { command: commandView(command), plan: planView(command?.plan) };
}

/** States after which nothing more happens; only then does an exit code mean anything. */
const ENDED: ReadonlySet<CommandState> = new Set([CommandState.SUCCEEDED, CommandState.FAILED]);

function commandView(command: Command | undefined): CommandView {
  const actor = (who: { kind: string; name: string } | undefined): string | undefined =>
    who === undefined ? undefined : cleanLine(`${who.kind}:${who.name}`, 160);
  return defined({
    command_id: cleanLine(command?.commandId ?? "", 128),
    node_id: cleanLine(command?.nodeId ?? "", 128),
    node: cleanLine(command?.nodeName ?? "", 128),
    action: cleanLine(command?.action ?? "", 80),
    arguments: cleanJson(command?.argumentsJson ?? "", ARGUMENTS_BUDGET),
    state: nameOf(CommandState, command?.state ?? 0),
    because: textOf(command?.because),
    requested_by: actor(command?.requestedBy) ?? "unknown",
    reason: textOf(command?.reason),
    approved_by: actor(command?.approvedBy),
    requested_at: isoOf(command?.requestedAt),
    changed_at: isoOf(command?.changedAt),
    expires_at: isoOf(command?.expiresAt),
    exit_code: command !== undefined && ENDED.has(command.state) ? command.exitCode : undefined,
    summary: textOf(command?.summary, 500),
    result:
      command === undefined || command.resultJson === ""
        ? undefined
        : cleanJson(command.resultJson, RESULT_BUDGET),
    alert_id: textOf(command?.alertId, 128),
    verification: textOf(command?.verification, 40),
    undoes: textOf(command?.undoesCommandId, 128),
    undone_by: textOf(command?.undoneByCommandId, 128),
  });
}

const PIECES_MAX = 64;

/** Half of the characters for the beginning of the output, half for its end: errors tend to stand there. */
function outputViews(pieces: readonly OutputPiece[], chars: number): OutputView[] {
  const decoder = new TextDecoder("utf-8");
  const kept =
    pieces.length <= PIECES_MAX
      ? pieces
      : [...pieces.slice(0, PIECES_MAX / 2), ...pieces.slice(-PIECES_MAX / 2)];
  const texts = kept.map((piece) => cleanBlock(decoder.decode(piece.data)));
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  const views: OutputView[] = [];
  let before = 0;
  for (const [i, piece] of kept.entries()) {
    const text = texts[i] ?? "";
    const shown = total <= chars ? text : cutMiddle(text, before, total, chars);
    before += text.length;
    const skipped = Number(piece.skippedBytes);
    if (shown === "" && text !== "") continue;
    views.push(
      defined({
        stream: piece.stream === "stderr" ? "stderr" : "stdout",
        offset: Number(piece.offset),
        text: shown,
        skipped_bytes: skipped === 0 ? undefined : skipped,
      }),
    );
  }
  return views;
}

/** What of a text that begins at `before` in a whole of `total` lies in the first or last half of `chars`. */
function cutMiddle(text: string, before: number, total: number, chars: number): string {
  const half = Math.floor(chars / 2);
  const headEnd = Math.max(0, Math.min(text.length, half - before));
  const tailStart = Math.max(0, Math.min(text.length, total - half - before));
  if (tailStart <= headEnd) return text;
  const left = tailStart - headEnd;
  const head = text.slice(0, headEnd);
  const tail = text.slice(tailStart);
  return head === "" && tail === "" ? "" : `${head}… (${left} characters left out) …${tail}`;
}

/** For tests and texts: an output as one block, with its streams named. */
export function outputText(output: readonly OutputView[], max: number): string {
  return bound(output.map((piece) => `[${piece.stream}] ${piece.text}`).join("\n"), max);
}
