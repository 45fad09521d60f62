/** Takes over what agents tell of their commands: many in one transaction, each decided for itself. */
import type { NewEntry } from "../journal/domain/entry.js";
import { appendEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import type { NodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Transaction } from "../platform/postgres/database.js";
import {
  forgetPreviews,
  lockCommands,
  type OutputPiece,
  saveCommands,
  saveOutputs,
} from "./commands.store.js";
import { beforeSending } from "./domain/approve-command.js";
import { chooseOrder, type OrderChoice } from "./domain/choose-order.js";
import type { Command, CommandEvent } from "./domain/command.js";
import { afterEvent, type CommandDecision, changed } from "./domain/next-command.js";
import { entryOfChange } from "./journalled-commands.js";
import { type CommandJudge, denial, type Look } from "./judge-command.js";

/** Events of one command, in their order. */
export interface Told {
  readonly from: NodeId;
  readonly events: readonly CommandEvent[];
}

/** A command that has changed. */
export interface TakenOver {
  readonly command: Command;
  /** The order that is stored as sent over the stream of this replica, and has to go now. */
  readonly order: Extract<OrderChoice, { kind: "order" }> | undefined;
}

export interface TakePorts {
  readonly judge: CommandJudge;
  readonly now: Instant;
  /** The node's stream on this replica, over which orders may go at once. */
  readonly session: (node: NodeId) => number | undefined;
}

const bringsPlan = ({ mode, what }: CommandEvent): boolean => mode === "preview" && what.kind === "finished";

/**
 * Stores what all these events change, with their journal entries. A command that is not known, or is another node's,
 * stays as it is. Answers those that changed.
 */
export async function takeEvents(
  tx: Transaction,
  told: readonly Told[],
  ports: TakePorts,
): Promise<readonly TakenOver[]> {
  const ids = new Set(told.flatMap(({ events }) => events.map(({ commandId }) => commandId)));
  const before = await lockCommands(tx, [...ids]);
  const planned = new Set(told.flatMap(({ events }) => events.filter(bringsPlan).map((e) => e.commandId)));
  const look = await ports.judge.look(
    tx,
    before.filter(({ id, state }) => state === "planning" && planned.has(id)),
    ports.now,
  );
  const taking = new Taking(tx, ports, look, before);
  for (const { from, events } of told) for (const event of events) await taking.take(from, event);
  return taking.store(before);
}

class Taking {
  readonly #tx: Transaction;
  readonly #ports: TakePorts;
  readonly #look: Look;
  readonly #commands: Map<string, Command>;
  readonly #orders = new Map<string, Extract<OrderChoice, { kind: "order" }>>();
  readonly #entries: NewEntry[] = [];
  readonly #outputs: OutputPiece[] = [];

  constructor(tx: Transaction, ports: TakePorts, look: Look, commands: readonly Command[]) {
    this.#tx = tx;
    this.#ports = ports;
    this.#look = look;
    this.#commands = new Map(commands.map((command) => [command.id, command]));
  }

  async take(from: NodeId, event: CommandEvent): Promise<void> {
    const { now, judge } = this.#ports;
    const before = this.#commands.get(event.commandId);
    if (before?.nodeId !== from) return;
    // What an earlier attempt still says is of no use: the agent has refused it.
    if (event.attempt !== before.attempt || event.sequence <= sequenceOf(before, event)) return;
    const session = this.#ports.session(from);
    const judged =
      bringsPlan(event) && before.state === "planning" && event.what.kind === "finished"
        ? await judge.judge(this.#tx, before, event.what.resultJson, now, this.#look, session !== undefined)
        : denial("no plan has come");
    const decision = afterEvent(before, event, () => judged, now);
    if (event.what.kind === "output") this.#outputs.push({ event, output: event.what });
    let next = this.#changed(withSequence(before, event), decision, {
      kind: "agent",
      name: before.nodeName,
    });
    if (next.attempt !== before.attempt) await forgetPreviews(this.#tx, before.id);
    if (next.state === "approved" && before.state === "planning") judge.letGo(next, this.#look);
    if (session !== undefined && next.state === "approved" && before.state === "planning") {
      const sending = beforeSending(next, judged.policy, judged.safety);
      const over = sending.kind === "change" && sending.change.state === "sent";
      if (over) await judge.took(this.#tx, next, this.#look, now);
      const choice = chooseOrder(next, session);
      if (over && choice.kind === "order") this.#orders.set(next.id, choice);
      next = this.#changed(over ? { ...next, sentSession: session } : next, sending, SYSTEM);
    }
    this.#commands.set(next.id, next);
  }

  #changed(command: Command, decision: CommandDecision, by: Actor): Command {
    if (decision.kind === "keep") return command;
    const { now } = this.#ports;
    const next = changed(command, decision.change, now);
    this.#entries.push(entryOfChange(command, next, by, now));
    return next;
  }

  async store(before: readonly Command[]): Promise<readonly TakenOver[]> {
    const news = before.flatMap((command) => {
      const next = this.#commands.get(command.id);
      return next === undefined || next === command ? [] : [next];
    });
    await saveOutputs(this.#tx, this.#outputs);
    await saveCommands(this.#tx, news);
    await appendEntries(this.#tx, this.#entries);
    return news.map((command) => ({ command, order: this.#orders.get(command.id) }));
  }
}

const sequenceOf = (command: Command, event: CommandEvent): number =>
  event.mode === "preview" ? command.previewSequence : command.runSequence;

const withSequence = (command: Command, { mode, sequence }: CommandEvent): Command =>
  mode === "preview" ? { ...command, previewSequence: sequence } : { ...command, runSequence: sequence };
