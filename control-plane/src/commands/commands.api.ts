/** CommandsService: proto message ↔ command. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CommandSchema,
  CommandsService,
  type OutputPieceSchema,
  CommandState as WireState,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { canonicalJson, type Json } from "../kernel/canonical-json.js";
import { OpsError } from "../kernel/errors.js";
import { commandId } from "../kernel/ids.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { formatTraceparent } from "../kernel/trace.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { Clock } from "../platform/system.js";
import { type CommandDesk, commandChannel } from "./command-desk.js";
import { readCommands, readOutput, type StoredOutput } from "./commands.store.js";
import { COMMAND_STATES, type Command, type CommandState, isOpen } from "./domain/command.js";

const LIMITS = {
  requestIdLength: 64,
  argumentsLength: 16_384,
  reasonLength: 1_000,
  expiresInMs: { default: 10 * MINUTE, max: 24 * HOUR },
  timeoutMs: { default: 5 * MINUTE, max: HOUR },
  waitMs: { default: 5 * SECOND, max: 30 * SECOND },
  page: { default: 100, max: 1_000 },
} as const;

/** While a command is watched, PostgreSQL is asked at least this often, should a live message be lost. */
const WATCH_INTERVAL = 2 * SECOND;

/** Pieces of output that are read at once. */
const OUTPUT_PAGE = 100;

export interface CommandsApiPorts {
  readonly database: Database;
  readonly desk: CommandDesk;
  readonly live: Live;
  readonly clock: Clock;
}

function stateToWire(state: CommandState): WireState {
  return (COMMAND_STATES.indexOf(state) + 1) as WireState;
}

function stateFromWire(state: WireState): CommandState | undefined {
  return state === WireState.UNSPECIFIED ? undefined : COMMAND_STATES[state - 1];
}

function toWire(command: Command): MessageInitShape<typeof CommandSchema> {
  return {
    commandId: command.id,
    nodeId: command.nodeId,
    nodeName: command.nodeName,
    action: command.action,
    argumentsJson: command.argumentsJson,
    state: stateToWire(command.state),
    because: command.because,
    requestedBy: command.requestedBy,
    reason: command.reason,
    ...(command.plan === undefined
      ? {}
      : {
          plan: {
            hash: command.plan.hash,
            summary: command.plan.summary,
            planJson: command.plan.json,
            verdict: command.plan.verdict,
            verdictBecause: command.plan.verdictBecause,
            madeAt: timestampFromMs(command.plan.madeAt),
          },
        }),
    ...(command.approvedBy === undefined ? {} : { approvedBy: command.approvedBy }),
    requestedAt: timestampFromMs(command.requestedAt),
    changedAt: timestampFromMs(command.changedAt),
    expiresAt: timestampFromMs(command.expiresAt),
    generation: BigInt(command.generation),
    exitCode: command.exitCode,
    summary: command.summary,
    resultJson: command.resultJson,
    alertId: command.alertId,
    verification: command.verification,
    traceparent: command.traceparent,
  };
}

function outputToWire(output: StoredOutput): MessageInitShape<typeof OutputPieceSchema> {
  return {
    stream: output.stream,
    offset: BigInt(output.offset),
    data: output.data,
    skippedBytes: BigInt(output.skippedBytes),
    at: timestampFromMs(output.at),
  };
}

function bounded(
  name: string,
  value: number,
  limit: { readonly default: number; readonly max: number },
): number {
  if (value > limit.max) throw new OpsError("INVALID_ARGUMENT", `${name} is ${value}, at most ${limit.max}`);
  return value === 0 ? limit.default : value;
}

function parseArguments(text: string): string {
  if (text.length > LIMITS.argumentsLength) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `arguments_json has ${text.length} characters, at most ${LIMITS.argumentsLength}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text === "" ? "{}" : text);
  } catch (cause) {
    throw new OpsError("INVALID_ARGUMENT", "arguments_json is not JSON", {}, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new OpsError("INVALID_ARGUMENT", "arguments_json is not a JSON object");
  }
  return canonicalJson(value as { [key: string]: Json });
}

export function commandsApi(
  ports: CommandsApiPorts,
): ServiceImplementation<typeof CommandsService, CallContext> {
  const { desk, database, live, clock } = ports;

  /** Listens for a command's news from now on, so that none falls between a look and a wait. */
  const listen = (id: string, signal: AbortSignal) => {
    let wake = new AbortController();
    const stop = live.subscribe(commandChannel(id), () => wake.abort());
    return {
      stop,
      /** Resolves when there was news since the last wait, or after `ms`. */
      wait: async (ms: number): Promise<void> => {
        await clock.sleep(ms, AbortSignal.any([wake.signal, signal]));
        wake = new AbortController();
      },
    };
  };

  const need = async (id: string): Promise<Command> => {
    const command = await desk.read(commandId(id));
    if (command === undefined) throw new OpsError("NOT_FOUND", `there is no command "${id}"`);
    return command;
  };

  return {
    async requestCommand(request, context) {
      if (request.requestId === "" || request.requestId.length > LIMITS.requestIdLength) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `request_id has ${request.requestId.length} characters, expected 1 to ${LIMITS.requestIdLength}`,
        );
      }
      if (request.reason.length > LIMITS.reasonLength) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `reason has ${request.reason.length} characters, at most ${LIMITS.reasonLength}`,
        );
      }
      const waitMs = bounded("wait_ms", request.waitMs, LIMITS.waitMs);
      let command = await desk.request({
        requestId: request.requestId,
        node: request.nodeId,
        action: request.action,
        argumentsJson: parseArguments(request.argumentsJson),
        requestedBy: context.caller.actor,
        reason: request.reason,
        alertId: request.alertId,
        requireApproval: request.requireApproval,
        expiresInMs: bounded("expires_in_seconds", request.expiresInSeconds * SECOND, LIMITS.expiresInMs),
        timeoutMs: bounded("timeout_ms", request.timeoutMs, LIMITS.timeoutMs),
        traceparent: formatTraceparent(context.trace),
      });
      const deadline = clock.monotonic() + waitMs;
      const news = listen(command.id, context.signal);
      try {
        while (command.state === "planning" && !context.signal.aborted && clock.monotonic() < deadline) {
          command = await need(command.id);
          if (command.state === "planning")
            await news.wait(Math.min(WATCH_INTERVAL, deadline - clock.monotonic()));
        }
      } finally {
        news.stop();
      }
      return { command: toWire(command) };
    },

    async applyCommand() {
      throw new OpsError("UNIMPLEMENTED", "ApplyCommand is not served yet");
    },

    async undoCommand() {
      throw new OpsError("UNIMPLEMENTED", "UndoCommand is not served yet");
    },

    async approveCommand(request, context) {
      return {
        command: toWire(
          await desk.approve(commandId(request.commandId), context.caller.actor, request.planHash),
        ),
      };
    },

    async rejectCommand(request, context) {
      return {
        command: toWire(
          await desk.reject(commandId(request.commandId), context.caller.actor, request.reason),
        ),
      };
    },

    async cancelCommand(request, context) {
      return {
        command: toWire(
          await desk.cancel(commandId(request.commandId), context.caller.actor, request.reason),
        ),
      };
    },

    async getCommand(request) {
      const command = await need(request.commandId);
      const output = await readOutput(database, command.id, "run");
      return { command: toWire(command), output: output.map(outputToWire) };
    },

    async listCommands(request) {
      const limit = bounded("page.size", request.page?.size ?? 0, LIMITS.page);
      const before = parseToken(request.page?.token ?? "");
      const state = stateFromWire(request.state);
      const commands = await readCommands(database, {
        nodeId: request.nodeId,
        alertId: request.alertId,
        limit,
        ...(state === undefined ? {} : { state }),
        ...(before === undefined ? {} : { before }),
      });
      const last = commands.at(-1);
      const nextToken =
        last !== undefined && commands.length === limit ? `${last.requestedAt}/${last.id}` : "";
      return { commands: commands.map(toWire), nextToken };
    },

    async *watchCommand(request, context) {
      let told = "";
      let sequence = 0;
      /** Events of the run up to here hold no output that was not told. */
      let through = 0;
      const news = listen(request.commandId, context.signal);
      try {
        while (!context.signal.aborted) {
          const command = await need(request.commandId);
          if (command.runSequence > through) {
            const output = await readOutput(database, command.id, "run", sequence, OUTPUT_PAGE);
            for (const piece of output) {
              sequence = piece.sequence;
              yield { event: { case: "output", value: outputToWire(piece) } };
            }
            if (output.length < OUTPUT_PAGE) through = command.runSequence;
          }
          const change = `${command.state}/${command.changedAt}/${command.verification}`;
          if (change !== told) yield { event: { case: "command", value: toWire(command) } };
          told = change;
          if (command.runSequence > through) continue;
          if (!isOpen(command.state)) return;
          await news.wait(WATCH_INTERVAL);
        }
      } finally {
        news.stop();
      }
    },
  };
}

function parseToken(token: string): { readonly requestedAt: number; readonly id: string } | undefined {
  if (token === "") return undefined;
  const [time, id] = token.split("/");
  const requestedAt = Number(time);
  if (id === undefined || !Number.isSafeInteger(requestedAt)) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `page.token is "${token.slice(0, 80)}", expected the next_token of an answer`,
    );
  }
  return { requestedAt, id };
}
