/**
 * The one hand. Every change of a command goes through here: locked, decided, stored with its journal entry, told live.
 */

import type { NewEntry } from "../journal/domain/entry.js";
import { appendEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import type { CommandId, NodeId } from "../kernel/ids.js";
import type { Instant } from "../kernel/time.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { System } from "../platform/system.js";
import type { Outlet } from "./agent-line.js";
import {
  insertCommands,
  type KeyedCommand,
  lockCommand,
  readCommand,
  readCommandByRequest,
  saveCommand,
  saveSession,
  saveUndoneBy,
  saveVerification,
} from "./commands.store.js";
import { afterApply, afterApproval, beforeSending, type Vote } from "./domain/approve-command.js";
import type { Approval, Command, CommandEvent, CommandState, Verification } from "./domain/command.js";
import {
  afterCancellation,
  afterRejection,
  afterTime,
  type CommandDecision,
  changed,
  isOfNoUse,
} from "./domain/next-command.js";
import { whatUndoes } from "./domain/undo-command.js";
import { Gather } from "./gather.js";
import { entryOf, entryOfChange } from "./journalled-commands.js";
import { CommandJudge, type JudgePorts, type TargetNode } from "./judge-command.js";
import { LiveOutput } from "./live-output.js";
import { type CommandRequest, newCommand, requestKeyOf } from "./new-command.js";
import { type TakenOver, type Told, takeEvents } from "./take-events.js";

/** The live channel that says that there may be something to send. */
export const DISPATCH_CHANNEL = "commands";

/** Commands, or the events of so many, that are stored in one transaction. */
const TOGETHER = 500;

const NO_OUTLET: Outlet = { session: () => undefined, send: () => {} };

export interface DeskPorts extends JudgePorts {
  readonly database: Database;
  readonly live: Live;
  readonly system: System;
}

/** A wish to take back what a command did. */
export interface UndoRequest {
  readonly requestId: string;
  readonly requestedBy: Actor;
  readonly roles: readonly Role[];
  readonly reason: string;
  readonly hold: boolean;
  readonly expiresInMs: number;
  readonly timeoutMs: number;
  readonly traceparent: string;
}

/** Times out of order are no reason to lose an event: the journal gets the control plane's own time. */
export class CommandDesk {
  readonly #ports: DeskPorts;
  readonly #judge: CommandJudge;
  /** What is printed, told before it is durable. */
  readonly liveOutput: LiveOutput;
  #outlet: Outlet = NO_OUTLET;
  readonly #finding = new Gather<string, TargetNode | undefined>({
    together: TOGETHER,
    atOnce: 2,
    work: (names) => this.#findAll(names),
  });
  readonly #storing = new Gather<KeyedCommand, boolean>({
    together: TOGETHER,
    atOnce: 2,
    work: (keyed) => this.#storeAll(keyed),
  });
  readonly #taking = new Gather<Told, TakenOver | undefined>({
    together: TOGETHER,
    atOnce: 2,
    work: (told) => this.#takeAll(told),
  });

  constructor(ports: DeskPorts) {
    this.#ports = ports;
    this.#judge = new CommandJudge(ports);
    this.liveOutput = new LiveOutput(ports.live);
  }

  /** Orders for nodes that are connected here go this way from now on, in the transaction that lets them go. */
  sendThrough(outlet: Outlet): void {
    this.#outlet = outlet;
  }

  /**
   * Stores a command, in state planning. The same request asked again gives the command as it is now.
   * Throws NOT_FOUND for the node, FAILED_PRECONDITION when it is revoked or does not offer the action.
   */
  async request(request: CommandRequest): Promise<Command> {
    const { system } = this.#ports;
    const requestKey = requestKeyOf(request);
    const node = await this.#finding.add(request.node);
    let command: Command;
    try {
      command = newCommand(request, node, system.clock.now(), system.draws);
    } catch (error) {
      // What was asked for while the node was there is answered as it was.
      const known = await this.#known(request, requestKey);
      if (known !== undefined) return known;
      throw error;
    }
    // The agent is asked as soon as it is stored; which stream that goes over is stored with it.
    const asked = { ...command, sentSession: this.#outlet.session(command.nodeId) };
    if (!(await this.#storing.add({ command: asked, requestKey })))
      return (await this.#known(request, requestKey)) ?? asked;
    this.#tellWatchers(asked.id);
    if (asked.sentSession === undefined) this.#tell(asked);
    else this.#outlet.send(asked, "preview", "a plan is wanted");
    return asked;
  }

  /** The command of an earlier request of this name. Throws ALREADY_EXISTS when that asked for something else. */
  async #known(request: CommandRequest, requestKey: string): Promise<Command | undefined> {
    const known = await readCommandByRequest(this.#ports.database, requestKey);
    if (known === undefined) return undefined;
    if (known.action === request.action && known.argumentsJson === request.argumentsJson) return known;
    throw new OpsError(
      "ALREADY_EXISTS",
      `request ${request.action}: request id "${request.requestId}" was used for another command, ${known.id}`,
    );
  }

  /**
   * Requests what undoes a command: the inverse that its plan has named. The same request asked again gives the same.
   * Throws NOT_FOUND, and FAILED_PRECONDITION when it has not succeeded, was undone, is irreversible or left
   * nothing-to-undo.
   */
  async undo(id: CommandId, wish: UndoRequest): Promise<Command> {
    const { database, findNode, system } = this.#ports;
    const command = await this.read(id);
    if (command === undefined) throw new OpsError("NOT_FOUND", `undo command "${id}": there is none`);
    const { reason, ...how } = wish;
    const request: CommandRequest = {
      ...how,
      node: command.nodeId,
      action: "",
      argumentsJson: "{}",
      reason: reason === "" ? `undo ${id}` : reason,
      undoes: id,
    };
    const requestKey = requestKeyOf(request);
    const known = await readCommandByRequest(database, requestKey);
    if (known !== undefined) {
      if (known.undoes === id) return known;
      const message = `undo command "${id}": request id "${wish.requestId}" was used for another command, ${known.id}`;
      throw new OpsError("ALREADY_EXISTS", message);
    }
    const earlier = command.undoneBy === "" ? undefined : await this.read(command.undoneBy as CommandId);
    const undone = whatUndoes(command, earlier);
    if (undone.kind === "nothing")
      throw new OpsError("FAILED_PRECONDITION", `undo command "${id}": ${undone.because}`);
    const { action, argumentsJson } = undone;
    const node = await findNode(command.nodeId);
    const inverse = newCommand({ ...request, action, argumentsJson }, node, system.clock.now(), system.draws);
    return this.#store(inverse, requestKey);
  }

  async #findAll(names: readonly string[]): Promise<readonly (TargetNode | undefined)[]> {
    const { findNode, findNamed } = this.#ports;
    if (findNamed === undefined) return Promise.all(names.map((name) => findNode(name)));
    const found = await findNamed(names);
    return names.map((name) => found.get(name));
  }

  /** Another replica may have stored the same request between our look and our insert: false for those. */
  #storeAll(keyed: readonly KeyedCommand[]): Promise<readonly boolean[]> {
    return this.#ports.database.transaction(async (tx) => {
      const stored = await insertCommands(tx, keyed);
      const entries = keyed
        .filter(({ command }) => stored.has(command.id))
        .map(({ command }) => requestedEntry(command));
      await appendEntries(tx, entries);
      return keyed.map(({ command }) => stored.has(command.id));
    });
  }

  /** Stores a new command that undoes another; another replica may have stored the same request between our look and our insert. */
  async #store(command: Command, requestKey: string): Promise<Command> {
    const { database } = this.#ports;
    const stored = await database.transaction(async (tx) => {
      const undone = command.undoes === "" ? undefined : await lockCommand(tx, command.undoes as CommandId);
      if ((await insertCommands(tx, [{ command, requestKey }])).size === 0) return false;
      if (undone !== undefined) {
        const earlier =
          undone.undoneBy === "" ? undefined : await readCommand(tx, undone.undoneBy as CommandId);
        const still = whatUndoes(undone, earlier);
        if (still.kind === "nothing")
          throw new OpsError("FAILED_PRECONDITION", `undo command "${undone.id}": ${still.because}`);
        await saveUndoneBy(tx, undone.id, command.id);
      }
      await appendEntries(tx, [requestedEntry(command)]);
      return true;
    });
    this.#tell(command);
    if (command.undoes !== "") this.#tellWatchers(command.undoes);
    if (stored) return command;
    return (await readCommandByRequest(database, requestKey)) ?? command;
  }

  /**
   * Takes events over that an agent tells of one command, in their order. Resolves when they are durable, or of no use to
   * anyone, so that the agent may forget them. They are one transaction: all are taken, or none.
   */
  async take(from: NodeId, ...events: readonly CommandEvent[]): Promise<void> {
    const useful = events.filter((event) => !isOfNoUse(event));
    if (useful.length === 0) return;
    const taken = await this.#taking.add({ from, events: useful });
    if (taken === undefined) return;
    const { command, order } = taken;
    if (order !== undefined) this.#outlet.send(command, order.mode, order.because);
    this.#tell(command);
  }

  async #takeAll(told: readonly Told[]): Promise<readonly (TakenOver | undefined)[]> {
    const { database, system } = this.#ports;
    const taken = await database.transaction((tx) =>
      takeEvents(tx, told, {
        judge: this.#judge,
        now: system.clock.now(),
        session: (node) => this.#outlet.session(node),
      }),
    );
    const byId = new Map<string, TakenOver>(taken.map((one) => [one.command.id, one]));
    return told.map(({ events }) => {
      const id = events[0]?.commandId ?? "";
      const one = byId.get(id);
      // Told once, whoever of several has brought it.
      byId.delete(id);
      return one;
    });
  }

  /**
   * One more person approves the plan. Throws PERMISSION_DENIED for one who may not be the one, FAILED_PRECONDITION when
   * the plan is another or policy says no meanwhile.
   */
  approve(id: CommandId, vote: Vote): Promise<Command> {
    return this.#decide(id, "approve", vote.by, async (command, now, tx) => {
      const { decision } = await this.#judge.judge(tx, command, command.plan?.json ?? "", now);
      return afterApproval(command, vote, decision, now);
    });
  }

  /**
   * Lets a held plan go. `approvals` were given to what the plan is a part of, and count for it where policy asks.
   * Throws FAILED_PRECONDITION when it is not held, the plan is another or policy says no meanwhile.
   */
  apply(id: CommandId, by: Actor, planHash: string, approvals: readonly Approval[] = []): Promise<Command> {
    return this.#decide(id, "apply", by, async (command, now, tx) => {
      const { decision } = await this.#judge.judge(tx, command, command.plan?.json ?? "", now);
      return afterApply(command, by, planHash, decision, approvals, now);
    });
  }

  reject(id: CommandId, by: Actor, reason: string): Promise<Command> {
    return this.#decide(id, "reject", by, (command) => afterRejection(command, by, reason));
  }

  cancel(id: CommandId, by: Actor, reason: string): Promise<Command> {
    return this.#decide(id, "cancel", by, (command) => afterCancellation(command, by, reason));
  }

  /** Applies the passing of time; answers whether anything changed. */
  async expire(id: CommandId): Promise<boolean> {
    const { database, system } = this.#ports;
    const expired = await database.transaction(async (tx) => {
      const command = await lockCommand(tx, id);
      if (command === undefined) return undefined;
      const now = system.clock.now();
      const decision = afterTime(command, now);
      return decision.kind === "keep" ? undefined : this.#carryOut(tx, command, decision, SYSTEM, now);
    });
    if (expired !== undefined) this.#tell(expired);
    return expired !== undefined;
  }

  /**
   * The order of a command goes out over the node's stream `session`: stored before it is sent. Policy and the safety
   * budget have their last word here. Answers the command as it then is; undefined when it was decided anew, has moved
   * on meanwhile or is held back, and the order may not go.
   */
  async markSent(command: Command, session: number): Promise<Command | undefined> {
    const { database, system } = this.#ports;
    if (command.state !== "approved") {
      return (await saveSession(database, command, session))
        ? { ...command, sentSession: session }
        : undefined;
    }
    const sent = await database.transaction(async (tx) => {
      const current = await lockCommand(tx, command.id);
      if (current?.generation !== command.generation || current.state !== "approved") return undefined;
      const now = system.clock.now();
      const { decision, safety } = await this.#judge.atSending(tx, current, now);
      const next = beforeSending(current, decision, safety);
      if (next.kind === "keep") return undefined;
      const over = next.change.state === "sent" ? { ...current, sentSession: session } : current;
      return this.#carryOut(tx, over, next, SYSTEM, now);
    });
    if (sent !== undefined) this.#tell(sent);
    return sent?.state === "sent" ? sent : undefined;
  }

  /** What verification found after a command. */
  async verified(id: CommandId, verification: Verification, because: string, by: Actor): Promise<void> {
    const { database, system } = this.#ports;
    await database.transaction(async (tx) => {
      const command = await lockCommand(tx, id);
      if (command === undefined || command.verification === verification) return;
      await saveVerification(tx, id, verification);
      const kind = `remediation.${verification}`;
      await appendEntries(tx, [entryOf(kind, command, by, because, system.clock.now())]);
    });
    this.#tellWatchers(id);
  }

  async #decide(
    id: CommandId,
    verb: string,
    by: Actor,
    decide: (c: Command, now: Instant, tx: Transaction) => CommandDecision | Promise<CommandDecision>,
  ): Promise<Command> {
    const { database, system } = this.#ports;
    const next = await database.transaction(async (tx) => {
      const command = await lockCommand(tx, id);
      if (command === undefined) throw new OpsError("NOT_FOUND", `${verb} command "${id}": there is none`);
      const now = system.clock.now();
      const decision = await decide(command, now, tx);
      if (decision.kind === "keep")
        throw new OpsError(
          decision.code ?? "FAILED_PRECONDITION",
          `${verb} command "${id}": ${decision.because}`,
        );
      return this.#carryOut(tx, command, decision, by, now);
    });
    this.#tell(next);
    return next;
  }

  async #carryOut(
    tx: Transaction,
    command: Command,
    decision: CommandDecision,
    by: Actor,
    now: Instant,
  ): Promise<Command> {
    if (decision.kind === "keep") return command;
    const next = carriedOut(command, decision, now);
    await saveCommand(tx, next);
    await appendEntries(tx, [entryOfChange(command, next, by, now)]);
    return next;
  }

  /** Who watches is told of every change; who sends, only of those after which there may be something to send. */
  #tell(command: Command): void {
    this.#tellWatchers(command.id);
    if (MAY_BE_SENT.has(command.state) || command.cancelBecause !== undefined) {
      this.#ports.live.publish(DISPATCH_CHANNEL, command.id);
    }
  }

  #tellWatchers(id: string): void {
    this.liveOutput.tellNews(id);
  }

  read(id: CommandId): Promise<Command | undefined> {
    return readCommand(this.#ports.database, id);
  }
}

/** States in which an order waits to go. A stream that opens brings a look of its own. */
const MAY_BE_SENT: ReadonlySet<CommandState> = new Set(["planning", "approved"]);

const carriedOut = (command: Command, decision: CommandDecision, now: Instant): Command =>
  decision.kind === "keep" ? command : changed(command, decision.change, now);

const requestedEntry = (command: Command): NewEntry =>
  entryOf(
    "command.requested",
    command,
    command.requestedBy,
    command.reason || command.because,
    command.requestedAt,
  );
