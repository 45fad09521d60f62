/**
 * The one hand. Every change of a command goes through here: locked, decided, stored with its journal entry, told live.
 */

import type { NewEntry } from "../journal/domain/entry.js";
import { appendEntries } from "../journal/journal.module.js";
import { type Actor, SYSTEM } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import { type CommandId, commandId, type NodeId } from "../kernel/ids.js";
import type { Labels } from "../kernel/labels.js";
import { HOUR, type Instant } from "../kernel/time.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { System } from "../platform/system.js";
import {
  countOnNode,
  insertCommand,
  lockCommand,
  readCommand,
  readCommandByRequest,
  saveCommand,
  saveOutput,
  saveSession,
  saveVerification,
} from "./commands.store.js";
import type { Command, CommandEvent, CommandState, Verification } from "./domain/command.js";
import { type GuardDecision, guardCommand } from "./domain/guard-command.js";
import {
  afterApproval,
  afterCancellation,
  afterEvent,
  afterRejection,
  afterTime,
  type CommandDecision,
  changed,
  isOfNoUse,
} from "./domain/next-command.js";
import type { Policy } from "./domain/policy.js";

/** The live channel on which a command's news is told; the message is empty, the truth is in PostgreSQL. */
export const commandChannel = (id: string): string => `command:${id}`;
/** The live channel that says that there may be something to send. */
export const DISPATCH_CHANNEL = "commands";

/** What the desk must know of a node. */
export interface TargetNode {
  readonly id: NodeId;
  readonly name: string;
  readonly labels: Labels;
  /** The actions its agent offers. */
  readonly actions: readonly string[];
  readonly revoked: boolean;
}

export interface DeskPorts {
  readonly database: Database;
  readonly live: Live;
  readonly system: System;
  /** A node by its id or its name. */
  readonly findNode: (idOrName: string) => Promise<TargetNode | undefined>;
  readonly policy: () => Policy;
}

export interface CommandRequest {
  /** Makes a repeated request harmless; told apart by requester. */
  readonly requestId: string;
  readonly node: string;
  readonly action: string;
  readonly argumentsJson: string;
  readonly requestedBy: Actor;
  readonly reason: string;
  readonly alertId?: string;
  readonly requireApproval?: boolean;
  readonly expiresInMs: number;
  readonly timeoutMs: number;
  readonly traceparent: string;
}

/** Times out of order are no reason to lose an event: the journal gets the control plane's own time. */
export class CommandDesk {
  readonly #ports: DeskPorts;

  constructor(ports: DeskPorts) {
    this.#ports = ports;
  }

  /**
   * Stores a command, in state planning. The same request asked again gives the command as it is now.
   * Throws NOT_FOUND for the node, FAILED_PRECONDITION when it is revoked or does not offer the action.
   */
  async request(request: CommandRequest): Promise<Command> {
    const { database, system, findNode } = this.#ports;
    const what = `request ${request.action}`;
    const requestKey = `${request.requestedBy.kind}/${request.requestedBy.name}/${request.requestId}`;
    const [known, node] = await Promise.all([
      readCommandByRequest(database, requestKey),
      findNode(request.node),
    ]);
    if (known !== undefined) {
      if (known.action === request.action && known.argumentsJson === request.argumentsJson) return known;
      throw new OpsError(
        "ALREADY_EXISTS",
        `${what}: request id "${request.requestId}" was used for another command, ${known.id}`,
      );
    }
    if (node === undefined) throw new OpsError("NOT_FOUND", `${what}: there is no node "${request.node}"`);
    if (node.revoked) throw new OpsError("FAILED_PRECONDITION", `${what}: node "${node.name}" was revoked`);
    if (!node.actions.includes(request.action)) {
      const offers = node.actions.length === 0 ? "none" : node.actions.join(", ");
      throw new OpsError(
        "FAILED_PRECONDITION",
        `${what}: the agent of "${node.name}" does not offer it; it offers ${offers}`,
      );
    }
    const now = system.clock.now();
    const command: Command = {
      id: commandId(system.draws.id(now)),
      nodeId: node.id,
      nodeName: node.name,
      action: request.action,
      argumentsJson: request.argumentsJson,
      state: "planning",
      because: "the agent is asked what it would do",
      requestedBy: request.requestedBy,
      reason: request.reason,
      alertId: request.alertId ?? "",
      requireApproval: request.requireApproval ?? false,
      traceparent: request.traceparent,
      requestedAt: now,
      changedAt: now,
      expiresAt: now + request.expiresInMs,
      timeoutMs: request.timeoutMs,
      generation: 1,
      plan: undefined,
      approvedBy: undefined,
      cancelBecause: undefined,
      exitCode: 0,
      summary: "",
      resultJson: "",
      verification: request.alertId === undefined || request.alertId === "" ? "" : "pending",
      sentSession: undefined,
      previewSequence: 0,
      runSequence: 0,
    };
    const stored = await database.transaction(async (tx) => {
      if (!(await insertCommand(tx, command, requestKey))) return false;
      const because = request.reason || command.because;
      await appendEntries(tx, [entryOf("command.requested", command, request.requestedBy, because, now)]);
      return true;
    });
    this.#tell(command);
    if (stored) return command;
    // Another replica stored the same request between our look and our insert.
    return (await readCommandByRequest(database, requestKey)) ?? command;
  }

  /**
   * Takes events over that an agent tells of one command, in their order. Resolves when they are durable, or of no use to
   * anyone, so that the agent may forget them. They are one transaction: all are taken, or none.
   */
  async take(from: NodeId, ...events: readonly CommandEvent[]): Promise<void> {
    const { database, system } = this.#ports;
    const [first, ...others] = events.filter((event) => !isOfNoUse(event));
    if (first === undefined) return;
    const taken = await database.transaction(async (tx) => {
      const command = await lockCommand(tx, first.commandId);
      // A command that is not known, or is another node's, is answered with an acknowledgement: the agent must not keep it for ever.
      if (command === undefined || command.nodeId !== from) return undefined;
      const now = system.clock.now();
      const by: Actor = { kind: "agent", name: command.nodeName };
      const entries: NewEntry[] = [];
      let next = command;
      for (const event of [first, ...others]) {
        const before = next;
        if (event.sequence <= sequenceOf(before, event)) continue;
        const guard = await this.#prepareGuard(tx, before, event, now);
        const decision = afterEvent(before, event, guard, now);
        if (event.what.kind === "output") await saveOutput(tx, event, event.what);
        next = carriedOut(withSequence(before, event), decision, now);
        if (decision.kind === "change") entries.push(entryOfChange(before, next, by, now));
      }
      if (next === command) return undefined;
      await saveCommand(tx, next);
      await appendEntries(tx, entries);
      return next;
    });
    if (taken !== undefined) this.#tell(taken);
  }

  approve(id: CommandId, by: Actor, planHash: string): Promise<Command> {
    return this.#decide(id, "approve", by, (command, now) => afterApproval(command, by, planHash, now));
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
   * The order of a command goes out over the node's stream `session`: stored before it is sent. Answers the command as
   * it then is; undefined when it was decided anew or has moved on meanwhile, and the order may no longer go.
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
      const decision: CommandDecision = {
        kind: "change",
        change: { state: "sent", because: "the order is on its way to the agent" },
      };
      return this.#carryOut(tx, { ...current, sentSession: session }, decision, SYSTEM, system.clock.now());
    });
    if (sent !== undefined) this.#tell(sent);
    return sent;
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
    decide: (c: Command, now: Instant) => CommandDecision,
  ): Promise<Command> {
    const { database, system } = this.#ports;
    const next = await database.transaction(async (tx) => {
      const command = await lockCommand(tx, id);
      if (command === undefined) throw new OpsError("NOT_FOUND", `${verb} command "${id}": there is none`);
      const now = system.clock.now();
      const decision = decide(command, now);
      if (decision.kind === "keep") {
        const own =
          verb === "approve" && by.name === command.requestedBy.name && command.state === "awaiting-approval";
        throw new OpsError(
          own ? "PERMISSION_DENIED" : "FAILED_PRECONDITION",
          `${verb} command "${id}": ${decision.because}`,
        );
      }
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

  async #prepareGuard(
    tx: Transaction,
    command: Command,
    event: CommandEvent,
    now: Instant,
  ): Promise<() => GuardDecision> {
    const denied = (): GuardDecision => ({
      verdict: "deny",
      because: `node "${command.nodeName}" is no longer there`,
    });
    if (event.mode !== "preview" || event.what.kind !== "finished") return denied;
    const node = await this.#ports.findNode(command.nodeId);
    if (node === undefined || node.revoked) return denied;
    const counts = await countOnNode(tx, command.nodeId, command.id, now - HOUR);
    return () =>
      guardCommand(
        {
          requestedBy: command.requestedBy,
          action: command.action,
          nodeLabels: { ...node.labels, node: node.name },
          requireApproval: command.requireApproval,
          openOnNode: counts.open,
          recentOnNode: counts.recent,
        },
        this.#ports.policy(),
      );
  }

  /** Who watches is told of every change; who sends, only of those after which there may be something to send. */
  #tell(command: Command): void {
    this.#tellWatchers(command.id);
    if (MAY_BE_SENT.has(command.state) || command.cancelBecause !== undefined) {
      this.#ports.live.publish(DISPATCH_CHANNEL, command.id);
    }
  }

  #tellWatchers(id: string): void {
    this.#ports.live.publish(commandChannel(id), "");
  }

  read(id: CommandId): Promise<Command | undefined> {
    return readCommand(this.#ports.database, id);
  }
}

/** States in which an order waits to go. A stream that opens brings a look of its own. */
const MAY_BE_SENT: ReadonlySet<CommandState> = new Set(["planning", "approved"]);

const sequenceOf = (command: Command, event: CommandEvent): number =>
  event.mode === "preview" ? command.previewSequence : command.runSequence;

const withSequence = (command: Command, { mode, sequence }: CommandEvent): Command =>
  mode === "preview" ? { ...command, previewSequence: sequence } : { ...command, runSequence: sequence };

const carriedOut = (command: Command, decision: CommandDecision, now: Instant): Command =>
  decision.kind === "keep" ? command : changed(command, decision.change, now);

/** `next` is what became of `before`; a cancellation that the agent must still hear of changes no state. */
function entryOfChange(before: Command, next: Command, by: Actor, now: Instant): NewEntry {
  const kind = next.state === before.state ? "command.cancelling" : `command.${next.state}`;
  return entryOf(kind, next, by, next.because, now);
}

function entryOf(kind: string, command: Command, actor: Actor, because: string, at: Instant): NewEntry {
  return {
    at,
    kind,
    subject: `command:${command.id}`,
    actor,
    because,
    facts: {
      node: command.nodeName,
      action: command.action,
      generation: command.generation,
      state: command.state,
      ...(command.alertId === "" ? {} : { alert: command.alertId }),
      ...(command.plan === undefined ? {} : { planHash: command.plan.hash, plan: command.plan.summary }),
      ...(command.summary === "" ? {} : { summary: command.summary, exitCode: command.exitCode }),
    },
    traceparent: command.traceparent,
  };
}
