/**
 * The events of an agent's commands, handed on one after another and acknowledged once they are durable.
 * What cannot be stored now is tried again here, so that the agent need not come back for it.
 */
import type { CommandEvent, OrderMode } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { type ErrorCode, OpsError } from "../../kernel/errors.js";
import type { NodeId } from "../../kernel/ids.js";
import { type Duration, SECOND } from "../../kernel/time.js";
import type { Logger } from "../../platform/logger.js";
import type { Clock } from "../../platform/system.js";

/** Where command events go. `commands` implements it. */
export interface CommandEvents {
  /** Resolves when the event is durable, or of no use to anyone: either way the agent may forget it. */
  take(from: NodeId, event: CommandEvent): Promise<void>;
  /** A stream of the node was opened; its agent knows of these commands that were not confirmed to the end. */
  connected(nodeId: NodeId, openCommandIds: readonly string[]): Promise<void>;
}

/** Events that may wait for PostgreSQL; with more, the stream is read no further. */
export const WAITING_MAX = 64;

const RETRY_FIRST: Duration = SECOND / 4;
const RETRY_MAX: Duration = 5 * SECOND;

/** After these the same event may be stored later. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set([
  "UNAVAILABLE",
  "RESOURCE_EXHAUSTED",
  "ABORTED",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
]);

export interface CommandInboxOptions {
  readonly nodeId: NodeId;
  readonly events: CommandEvents;
  readonly acknowledge: (commandId: string, mode: OrderMode, through: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the work; what was not acknowledged comes again on the next stream. */
  readonly signal: AbortSignal;
}

export class CommandInbox {
  readonly #options: CommandInboxOptions;
  readonly #waiting: CommandEvent[] = [];
  /** Commands one of whose events could not be stored: nothing later of theirs may be acknowledged on this stream. */
  readonly #broken = new Set<string>();
  #working = false;
  #room: (() => void) | undefined;

  constructor(options: CommandInboxOptions) {
    this.#options = options;
  }

  /** Takes an event. Resolves when the next one may be read: at once, unless too many wait. */
  push(event: CommandEvent): Promise<void> | undefined {
    this.#waiting.push(event);
    if (!this.#working) {
      this.#working = true;
      void this.#work();
    }
    if (this.#waiting.length < WAITING_MAX) return undefined;
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  async #work(): Promise<void> {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      this.#giveRoom();
      if (this.#options.signal.aborted) break;
      await this.#handOn(event);
    }
    this.#working = false;
    this.#giveRoom();
  }

  #giveRoom(): void {
    this.#room?.();
    this.#room = undefined;
  }

  async #handOn(event: CommandEvent): Promise<void> {
    const { nodeId, events, acknowledge, clock, logger, signal } = this.#options;
    const key = `${event.mode}:${event.commandId}`;
    if (this.#broken.has(key)) return;
    for (let wait = RETRY_FIRST; !signal.aborted; wait = Math.min(2 * wait, RETRY_MAX)) {
      try {
        await events.take(nodeId, event);
        acknowledge(event.commandId, event.mode, event.sequence);
        return;
      } catch (error) {
        if (!(error instanceof OpsError) || !TRANSIENT.has(error.code)) {
          this.#broken.add(key);
          logger.error("a command's event could not be stored", { nodeId, sequence: event.sequence }, error);
          return;
        }
        if (wait === RETRY_FIRST) {
          logger.warn("a command's event cannot be stored now; trying again", { nodeId }, error);
        }
        await clock.sleep(wait, signal);
      }
    }
  }
}
