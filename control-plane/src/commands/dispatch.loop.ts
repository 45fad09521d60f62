/**
 * Sends what is to be sent to the agents that are connected to this replica, and expires what was never answered.
 * A message on the live channel brings a run forward; the interval is the guarantee.
 */
import type { NodeId } from "../kernel/ids.js";
import { SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { Clock } from "../platform/system.js";
import { type CommandDesk, DISPATCH_CHANNEL } from "./command-desk.js";
import { readOpen } from "./commands.store.js";
import { chooseOrder } from "./domain/choose-order.js";
import type { Command, OrderMode } from "./domain/command.js";
import { afterTime } from "./domain/next-command.js";

/** Commands that are looked after at the same time. */
const AT_ONCE = 8;

/** The way to the agents connected here; each call answers at once. */
export interface AgentLine {
  /** The generation of the node's open stream on this replica. */
  session(node: NodeId): number | undefined;
  /** False when the stream is gone or cannot take more now. */
  order(command: Command, mode: OrderMode): boolean;
  cancel(command: Command, because: string): boolean;
}

export interface DispatchOptions {
  readonly database: Database;
  readonly desk: CommandDesk;
  readonly line: AgentLine;
  readonly live: Live;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Dispatcher {
  readonly loop: Loop;
  readonly #options: DispatchOptions;
  #unsubscribe: () => void = () => {};
  /** Cancellations told on a stream already: command id → session. */
  readonly #cancelled = new Map<string, number>();

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.loop = new Loop({
      name: "commands.dispatch",
      interval: SECOND,
      clock: options.clock,
      logger: options.logger,
      run: () => this.run(),
    });
  }

  start(): void {
    this.#unsubscribe = this.#options.live.subscribe(DISPATCH_CHANNEL, () => this.loop.wake());
    this.loop.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.loop.stop();
  }

  async run(): Promise<void> {
    const { database, desk, clock } = this.#options;
    const open = await readOpen(database);
    const openIds = new Set<string>(open.map((command) => command.id));
    for (const id of this.#cancelled.keys()) if (!openIds.has(id)) this.#cancelled.delete(id);
    // Several at a time: each waits for PostgreSQL, and one node's command is not to wait for a hundred others'.
    const waiting = open.values();
    const work = async (): Promise<void> => {
      for (const command of waiting) {
        if (afterTime(command, clock.now()).kind === "change") await desk.expire(command.id);
        else await this.#send(command);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #send(command: Command): Promise<void> {
    const { desk, line, logger } = this.#options;
    const session = line.session(command.nodeId);
    if (session === undefined) return;
    const choice = chooseOrder(command, session);
    if (choice.kind === "nothing") return;
    if (choice.kind === "cancel") {
      if (this.#cancelled.get(command.id) === session) return;
      if (line.cancel(command, choice.because)) this.#cancelled.set(command.id, session);
      return;
    }
    // Stored before it is sent: after a crash in between, it is sent again, and the agent tells the two apart.
    const current = await desk.markSent(command, session);
    if (current === undefined) return;
    if (!line.order(current, choice.mode)) return;
    logger.info("an order was sent", {
      commandId: command.id,
      node: command.nodeName,
      action: command.action,
      mode: choice.mode,
      because: choice.because,
      traceparent: command.traceparent,
    });
  }
}
