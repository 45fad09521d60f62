/**
 * The events of an agent's commands, handed on in their order and acknowledged once they are durable. What came while
 * the last were stored goes together, for each storing waits for a disk.
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
  /**
   * Takes events of one command, in their order, all or none. Resolves when they are durable, or of no use to anyone:
   * either way the agent may forget them.
   */
  take(from: NodeId, events: readonly CommandEvent[]): Promise<void>;
  /** An event has come and is not durable yet: what may be told of it already. */
  tell?(from: NodeId, event: CommandEvent): void;
  /** A stream of the node was opened; its agent knows of these commands that were not confirmed to the end. */
  connected(nodeId: NodeId, openCommandIds: readonly string[]): Promise<void>;
}

/** Events that may wait for PostgreSQL; with more, the stream is read no further. */
export const WAITING_MAX = 64;

/** Events that are handed on together. */
const TOGETHER_MAX = 16;

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
    this.#options.events.tell?.(this.#options.nodeId, event);
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
    for (let events = this.#next(); events.length > 0; events = this.#next()) {
      this.#giveRoom();
      if (this.#options.signal.aborted) break;
      await this.#handOn(events);
    }
    this.#working = false;
    this.#giveRoom();
  }

  /** The first that waits, and those behind it that are of the same command and mode. */
  #next(): readonly CommandEvent[] {
    const [first] = this.#waiting;
    if (first === undefined) return [];
    const other = this.#waiting.findIndex((event) => keyOf(event) !== keyOf(first));
    const length = other === -1 ? this.#waiting.length : other;
    return this.#waiting.splice(0, Math.min(length, TOGETHER_MAX));
  }

  #giveRoom(): void {
    this.#room?.();
    this.#room = undefined;
  }

  async #handOn(events: readonly CommandEvent[]): Promise<void> {
    const { nodeId, events: desk, acknowledge, clock, logger, signal } = this.#options;
    const last = events.at(-1);
    if (last === undefined || this.#broken.has(keyOf(last))) return;
    for (let wait = RETRY_FIRST; !signal.aborted; wait = Math.min(2 * wait, RETRY_MAX)) {
      try {
        await desk.take(nodeId, events);
        acknowledge(last.commandId, last.mode, last.sequence);
        return;
      } catch (error) {
        if (!(error instanceof OpsError) || !TRANSIENT.has(error.code)) {
          // One of several may be at fault: those before it are still to be taken.
          if (events.length > 1) {
            for (const event of events) await this.#handOn([event]);
            return;
          }
          this.#broken.add(keyOf(last));
          logger.error("a command's event could not be stored", { nodeId, sequence: last.sequence }, error);
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

const keyOf = ({ mode, commandId }: CommandEvent): string => `${mode}:${commandId}`;
