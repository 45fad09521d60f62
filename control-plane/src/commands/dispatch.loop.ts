/**
 * Sends what is to be sent to the agents that are connected to this replica, and expires what was never answered.
 * What may go is told by the desk or on the live channel and goes at once; the interval is the guarantee.
 */
import type { NodeId } from "../kernel/ids.js";
import { type Duration, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { Clock } from "../platform/system.js";
import type { AgentLine } from "./agent-line.js";
import { type CommandDesk, DISPATCH_CHANNEL } from "./command-desk.js";
import { readCommandsById, readOpen } from "./commands.store.js";
import { chooseOrder } from "./domain/choose-order.js";
import type { Command, OrderMode } from "./domain/command.js";
import { afterTime } from "./domain/next-command.js";

/** Commands that are looked after at the same time. */
const AT_ONCE = 8;

/** Commands that were told of and wait to be looked at; with more, the next run of the loop finds them. */
const TOLD_MAX = 10_000;

/** Whoever stores that an order goes hands it on at once; after this it is known that nobody did. */
const HANDED_WITHIN: Duration = 3 * SECOND;

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
  /** Orders that this process has put on a stream: command id → which one, and over which. */
  readonly #handed = new Map<string, string>();
  readonly #told = new Set<string>();
  #looking: Promise<void> | undefined;

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
    const { live, desk, line } = this.#options;
    this.#unsubscribe = live.subscribe(DISPATCH_CHANNEL, (id) => this.#hear(id));
    desk.sendThrough({
      session: (node: NodeId) => line.session(node),
      send: (command, mode, because) => this.#hand(command, mode, because),
    });
    this.loop.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#looking;
    await this.loop.stop();
  }

  async run(): Promise<void> {
    const { database } = this.#options;
    const open = await readOpen(database);
    const openIds = new Set<string>(open.map((command) => command.id));
    for (const kept of [this.#cancelled, this.#handed])
      for (const id of kept.keys()) if (!openIds.has(id)) kept.delete(id);
    await this.#lookAt(open);
  }

  /** Looks at the commands that are told of, and at no others: of those there may be thousands. */
  #hear(id: string): void {
    if (id === "" || this.#told.size >= TOLD_MAX) this.loop.wake();
    else this.#told.add(id);
    this.#looking ??= this.#lookAtTold().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookAtTold(): Promise<void> {
    const { database, logger } = this.#options;
    while (this.#told.size > 0) {
      const ids = [...this.#told];
      this.#told.clear();
      try {
        await this.#lookAt(await readCommandsById(database, ids));
      } catch (error) {
        logger.warn("commands that may go were not looked at; the next run finds them", {}, error);
      }
    }
  }

  async #lookAt(commands: readonly Command[]): Promise<void> {
    const { desk, clock } = this.#options;
    // Several at a time: each waits for PostgreSQL, and one node's command is not to wait for a hundred others'.
    const waiting = commands.values();
    const work = async (): Promise<void> => {
      for (const command of waiting) {
        if (afterTime(command, clock.now()).kind === "change") await desk.expire(command.id);
        else await this.#send(command);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #send(command: Command): Promise<void> {
    const { desk, line } = this.#options;
    const session = line.session(command.nodeId);
    if (session === undefined) return;
    const choice = chooseOrder(this.#asSent(command, session), session);
    if (choice.kind === "nothing") return;
    if (choice.kind === "cancel") {
      if (this.#cancelled.get(command.id) === session) return;
      if (line.cancel(command, choice.because)) this.#cancelled.set(command.id, session);
      return;
    }
    // Stored before it is sent: after a crash in between, it is sent again, and the agent tells the two apart.
    const current = await desk.markSent(command, session);
    if (current !== undefined) this.#hand(current, choice.mode, choice.because);
  }

  /**
   * The command, with no stream when the one that is stored never had its order: the connection to PostgreSQL may end
   * between the commit and its answer, and then nobody knows that there is something to send.
   */
  #asSent(command: Command, session: number): Command {
    if (command.sentSession !== session || this.#handed.get(command.id) === keyOf(command, session))
      return command;
    const since = this.#options.clock.now() - command.changedAt;
    return since < HANDED_WITHIN ? command : { ...command, sentSession: undefined };
  }

  /** Hands an order that is stored as sent to the node's stream. */
  #hand(command: Command, mode: OrderMode, because: string): void {
    const { desk, line, logger } = this.#options;
    if (mode === "run") desk.liveOutput.expect(command);
    if (!line.order(command, mode)) return;
    const session = line.session(command.nodeId);
    if (session !== undefined) this.#handed.set(command.id, keyOf(command, session));
    logger.info("an order was sent", {
      commandId: command.id,
      node: command.nodeName,
      action: command.action,
      mode,
      because,
      traceparent: command.traceparent,
    });
  }
}

/** Which order of a command, over which stream. */
const keyOf = ({ attempt, state, generation }: Command, session: number): string =>
  `${session}/${attempt}/${state}/${generation}`;
