/** CommandsService: proto message ↔ command. */
import { CommandsService } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
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
import type { CommandDesk } from "./command-desk.js";
import { outputToWire, stateFromWire, toWire } from "./command-wire.api.js";
import { readCommands, readOutput, type StoredOutput } from "./commands.store.js";
import { type Command, isOpen } from "./domain/command.js";
import { commandChannel, readLiveOutput } from "./live-output.js";

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

/** A plan is seldom made sooner than an agent can be asked. */
const FIRST_LOOK = 100;

/** Pieces of output that are read at once. */
const OUTPUT_PAGE = 100;

/** Pieces that are told before they are durable; what comes faster is read when it is. */
const LIVE_PIECES_MAX = 256;

export interface CommandsApiPorts {
  readonly database: Database;
  readonly desk: CommandDesk;
  readonly live: Live;
  readonly clock: Clock;
}

function bounded(
  name: string,
  value: number,
  limit: { readonly default: number; readonly max: number },
): number {
  if (value > limit.max) throw new OpsError("INVALID_ARGUMENT", `${name} is ${value}, at most ${limit.max}`);
  return value === 0 ? limit.default : value;
}

function checkRequestId(id: string): void {
  if (id !== "" && id.length <= LIMITS.requestIdLength) return;
  throw new OpsError(
    "INVALID_ARGUMENT",
    `request_id has ${id.length} characters, expected 1 to ${LIMITS.requestIdLength}`,
  );
}

function checkReason(reason: string): void {
  if (reason.length <= LIMITS.reasonLength) return;
  throw new OpsError(
    "INVALID_ARGUMENT",
    `reason has ${reason.length} characters, at most ${LIMITS.reasonLength}`,
  );
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
    const fresh: StoredOutput[] = [];
    let stale = true;
    const stop = live.subscribe(commandChannel(id), (message) => {
      const piece = readLiveOutput(message);
      if (piece === undefined) stale = true;
      else if (fresh.length < LIVE_PIECES_MAX) fresh.push(piece);
      wake.abort();
    });
    return {
      stop,
      /** Output that came since the last call, and that need not be durable yet. */
      output: (): readonly StoredOutput[] => fresh.splice(0),
      /** Whether there may be something new to read since the last call. */
      stale: (): boolean => {
        const was = stale;
        stale = false;
        return was;
      },
      /** There is more to read than was read. */
      again: (): void => {
        stale = true;
      },
      /** Resolves when there was news since the last wait, or after `ms`. */
      wait: async (ms: number): Promise<void> => {
        await clock.sleep(ms, AbortSignal.any([wake.signal, signal]));
        if (!wake.signal.aborted) stale = true;
        wake = new AbortController();
      },
    };
  };

  const need = async (id: string): Promise<Command> => {
    const command = await desk.read(commandId(id));
    if (command === undefined) throw new OpsError("NOT_FOUND", `there is no command "${id}"`);
    return command;
  };

  /** The command once its plan is made, or as it is when the wait is over. */
  const planned = async (requested: Command, waitMs: number, signal: AbortSignal): Promise<Command> => {
    let command = requested;
    const deadline = clock.monotonic() + waitMs;
    const news = listen(command.id, signal);
    try {
      // The first wait is short: the plan may have come before we listened.
      let wait = FIRST_LOOK;
      while (command.state === "planning" && !signal.aborted && clock.monotonic() < deadline) {
        await news.wait(Math.min(wait, deadline - clock.monotonic()));
        wait = WATCH_INTERVAL;
        if (clock.monotonic() < deadline) command = await need(command.id);
      }
    } finally {
      news.stop();
    }
    return command;
  };

  return {
    async requestCommand(request, context) {
      checkRequestId(request.requestId);
      checkReason(request.reason);
      const waitMs = bounded("wait_ms", request.waitMs, LIMITS.waitMs);
      const command = await desk.request({
        requestId: request.requestId,
        node: request.nodeId,
        action: request.action,
        argumentsJson: parseArguments(request.argumentsJson),
        requestedBy: context.caller.actor,
        roles: context.caller.roles,
        reason: request.reason,
        alertId: request.alertId,
        requireApproval: request.requireApproval,
        hold: request.hold,
        expiresInMs: bounded("expires_in_seconds", request.expiresInSeconds * SECOND, LIMITS.expiresInMs),
        timeoutMs: bounded("timeout_ms", request.timeoutMs, LIMITS.timeoutMs),
        traceparent: formatTraceparent(context.trace),
      });
      return { command: toWire(await planned(command, waitMs, context.signal)) };
    },

    async undoCommand(request, context) {
      checkRequestId(request.requestId);
      checkReason(request.reason);
      const waitMs = bounded("wait_ms", request.waitMs, LIMITS.waitMs);
      const command = await desk.undo(commandId(request.commandId), {
        requestId: request.requestId,
        requestedBy: context.caller.actor,
        roles: context.caller.roles,
        reason: request.reason,
        hold: request.hold,
        expiresInMs: LIMITS.expiresInMs.default,
        timeoutMs: LIMITS.timeoutMs.default,
        traceparent: formatTraceparent(context.trace),
      });
      return { command: toWire(await planned(command, waitMs, context.signal)) };
    },

    async applyCommand({ commandId: id, planHash }, context) {
      return { command: toWire(await desk.apply(commandId(id), context.caller.actor, planHash)) };
    },

    async approveCommand(request, context) {
      checkReason(request.reason);
      const { actor, roles } = context.caller;
      const { planHash, reason, elicited } = request;
      const vote = { by: actor, roles, planHash, reason, elicited };
      return { command: toWire(await desk.approve(commandId(request.commandId), vote)) };
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
      /** Pieces behind `sequence` that were told before they were durable. */
      const early = new Set<number>();
      const news = listen(request.commandId, context.signal);
      try {
        while (!context.signal.aborted) {
          for (const piece of news.output()) {
            if (piece.sequence <= sequence || early.has(piece.sequence) || early.size >= LIVE_PIECES_MAX)
              continue;
            early.add(piece.sequence);
            yield { event: { case: "output", value: outputToWire(piece) } };
          }
          if (!news.stale()) {
            await news.wait(WATCH_INTERVAL);
            continue;
          }
          const command = await need(request.commandId);
          if (command.runSequence > through) {
            const output = await readOutput(database, command.id, "run", sequence, OUTPUT_PAGE);
            for (const piece of output) {
              sequence = piece.sequence;
              if (!early.delete(sequence)) yield { event: { case: "output", value: outputToWire(piece) } };
            }
            if (output.length < OUTPUT_PAGE) through = command.runSequence;
          }
          const change = `${command.state}/${command.changedAt}/${command.verification}`;
          if (change !== told) yield { event: { case: "command", value: toWire(command) } };
          told = change;
          if (command.runSequence > through) news.again();
          else if (!isOpen(command.state)) return;
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
