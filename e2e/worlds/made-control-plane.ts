/**
 * Replicas of a control plane over one store: the real decisions and the real wire forms, with the steps between reading,
 * storing, sending and acknowledging apart, so that a replica can be killed between any two of them.
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ConnectResponse,
  ConnectResponseSchema,
  OrderSchema,
  type CommandEvent as WireEvent,
  OrderMode as WireMode,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import {
  afterApply,
  afterApproval,
  beforeSending,
} from "../../control-plane/src/commands/domain/approve-command.js";
import { chooseOrder } from "../../control-plane/src/commands/domain/choose-order.js";
import {
  type Command,
  isOpen,
  mayMove,
  type OrderMode,
} from "../../control-plane/src/commands/domain/command.js";
import type { GuardDecision, JudgedPlan } from "../../control-plane/src/commands/domain/guard-command.js";
import {
  afterCancellation,
  afterEvent,
  afterTime,
  type CommandDecision,
  changed,
  isOfNoUse,
} from "../../control-plane/src/commands/domain/next-command.js";
import { fromWireEvent } from "../../control-plane/src/commands/orders.api.js";
import { madeCommand } from "../../control-plane/src/commands/testing/made-command.js";
import { commandId, nodeId } from "../../control-plane/src/kernel/ids.js";
import { MINUTE } from "../../control-plane/src/kernel/time.js";
import { NODE } from "./made-host.js";

/** Signs the bytes of an order. */
export type SignOrder = (order: Uint8Array) => { readonly keyId: string; readonly signature: Uint8Array };

const PEOPLE = ["bob", "cid", "dora"];

/** The stream of the agent, as long as it is open. */
export interface Stream {
  readonly replica: Replica;
  readonly session: number;
  readonly down: ConnectResponse[];
}

export interface Replica {
  isAlive: boolean;
  stream: Stream | undefined;
  /** What it has read of the store, and not yet acted on. */
  seen: readonly Command[];
  /** Events that it has received; those of a stream that is over are stored all the same. */
  readonly inbox: { readonly event: WireEvent; readonly over: Stream }[];
}

export interface Rules {
  readonly hold: boolean;
  readonly verdict: "allow" | "ask" | "deny";
  readonly approvals: number;
}

export class MadeControlPlane {
  readonly commands = new Map<string, Command>();
  readonly replicas: readonly Replica[] = [0, 1].map(() => ({
    isAlive: true,
    stream: undefined,
    seen: [],
    inbox: [],
  }));
  /** Every order that was ever put on a stream. */
  readonly sent: ConnectResponse[] = [];
  /** For each plan that was ordered: who had approved it. */
  readonly behind = new Map<string, ReadonlySet<string>>();
  frozen = false;
  /** Moves that the table of states does not know, and orders that went in a freeze. */
  readonly wrong: string[] = [];
  readonly #rules: Rules;
  readonly #sign: SignOrder;
  readonly #now: () => number;
  #session = 0;

  constructor(rules: Rules, sign: SignOrder, now: () => number) {
    this.#rules = rules;
    this.#sign = sign;
    this.#now = now;
  }

  get stream(): Stream | undefined {
    return this.replicas.find(({ stream }) => stream !== undefined)?.stream;
  }

  request(path: string, seconds: number): void {
    const id = `c${this.commands.size + 1}`;
    const now = this.#now();
    this.commands.set(
      id,
      madeCommand("planning", {
        id: commandId(id),
        nodeId: nodeId(NODE),
        argumentsJson: JSON.stringify({ path }),
        hold: this.#rules.hold,
        requestedAt: now,
        changedAt: now,
        expiresAt: now + seconds * 1_000,
        timeoutMs: MINUTE,
      }),
    );
  }

  /** The command for a directory: each has one of its own. */
  commandOf(path: string): Command | undefined {
    return [...this.commands.values()].find(({ argumentsJson }) => JSON.parse(argumentsJson).path === path);
  }

  connect(replica: Replica): Stream | undefined {
    this.cut();
    if (!replica.isAlive) return undefined;
    replica.stream = { replica, session: ++this.#session, down: [] };
    return replica.stream;
  }

  cut(): void {
    for (const replica of this.replicas) replica.stream = undefined;
  }

  kill(replica: Replica): void {
    Object.assign(replica, { isAlive: false, stream: undefined, seen: [] });
    replica.inbox.length = 0;
  }

  /** Reads what is open; what it then sends may have been overtaken. */
  look(replica: Replica): void {
    if (replica.isAlive) replica.seen = [...this.commands.values()].filter(({ state }) => isOpen(state));
  }

  /** Acts on what it has read. `dies` kills it after the first order is stored and before it goes. */
  dispatch(replica: Replica, dies: boolean): void {
    for (const seen of replica.seen) {
      const { stream } = replica;
      if (stream === undefined) return;
      const choice = chooseOrder(seen, stream.session);
      if (choice.kind === "nothing") continue;
      if (choice.kind === "cancel") this.#cancel(stream, seen, choice.because);
      else {
        const current = this.#markSent(seen, stream.session);
        if (current === undefined) continue;
        if (dies) {
          this.kill(replica);
          return;
        }
        this.#order(stream, current, choice.mode);
      }
    }
    replica.seen = [];
  }

  /** Stores the oldest event it has. `dies` kills it before it can acknowledge. */
  take(replica: Replica, dies: boolean): void {
    const next = replica.inbox.shift();
    if (next === undefined || !replica.isAlive) return;
    this.#store(next.event);
    if (dies) this.kill(replica);
    else if (replica.stream === next.over) {
      const { commandId: id, mode, sequence } = next.event;
      const acknowledged = { commandId: id, mode, throughSequence: sequence };
      next.over.down.push(
        create(ConnectResponseSchema, {
          body: { case: "acknowledge", value: { framesThrough: 0n, commands: [acknowledged] } },
        }),
      );
    }
  }

  approve(id: string, who: number, hash: string | undefined): void {
    this.#change(id, (command) => {
      const planHash = hash ?? command.plan?.hash ?? "";
      const vote = { roles: ["approver"] as const, planHash, reason: "", elicited: false };
      const by = { kind: "human", name: PEOPLE[who % PEOPLE.length] ?? "" } as const;
      return afterApproval(command, { ...vote, by }, this.#judged(), this.#now());
    });
  }

  apply(id: string): void {
    const ann = { kind: "human", name: "ann" } as const;
    this.#change(id, (command) =>
      afterApply(command, ann, command.plan?.hash ?? "", this.#judged(), [], this.#now()),
    );
  }

  cancel(id: string): void {
    this.#change(id, (command) => afterCancellation(command, { kind: "human", name: "ann" }, "enough"));
  }

  expire(): void {
    for (const id of this.commands.keys())
      this.#change(id, (command) =>
        isOpen(command.state) ? afterTime(command, this.#now()) : { kind: "keep", because: "over" },
      );
  }

  #order(stream: Stream, command: Command, mode: OrderMode): void {
    const bytes = toBinary(
      OrderSchema,
      create(OrderSchema, {
        commandId: orderId(command),
        nodeId: command.nodeId,
        action: command.action,
        argumentsJson: command.argumentsJson,
        mode: mode === "preview" ? WireMode.PREVIEW : WireMode.RUN,
        generation: BigInt(command.generation),
        planHash: mode === "run" ? (command.plan?.hash ?? "") : "",
        issuedAt: timestampFromMs(this.#now()),
        expiresAt: timestampFromMs(command.expiresAt),
        timeoutMs: command.timeoutMs,
      }),
    );
    const message = create(ConnectResponseSchema, {
      body: { case: "order", value: { order: bytes, ...this.#sign(bytes) } },
    });
    stream.down.push(message);
    this.sent.push(message);
  }

  #cancel(stream: Stream, command: Command, because: string): void {
    const value = { commandId: orderId(command), because };
    stream.down.push(create(ConnectResponseSchema, { body: { case: "cancel", value } }));
  }

  /** As the desk does it in one transaction. */
  #markSent(seen: Command, session: number): Command | undefined {
    const current = this.commands.get(seen.id);
    if (current?.generation !== seen.generation || current.state !== seen.state) return undefined;
    if (seen.state === "approved") {
      const decision = beforeSending(current, this.#judged(), { kind: "clear" });
      this.#carry(current, decision);
      const next = this.commands.get(seen.id);
      if (next?.state !== "sent") return undefined;
      if (this.frozen) this.wrong.push(`${seen.id} was sent in a freeze`);
      this.behind.set(next.plan?.hash ?? "", new Set(next.approvals.map(({ actor }) => actor.name)));
    }
    const over = { ...(this.commands.get(seen.id) ?? current), sentSession: session };
    this.commands.set(seen.id, over);
    return over;
  }

  #store(wire: WireEvent): void {
    const event = fromWireEvent(wire, this.#now());
    if (event === undefined || isOfNoUse(event)) return;
    const command = this.commands.get(event.commandId);
    if (command === undefined || event.attempt !== command.attempt) return;
    const seen = event.mode === "preview" ? command.previewSequence : command.runSequence;
    if (event.sequence <= seen) return;
    const judge = (): JudgedPlan => ({
      reach: { nodes: [NODE], components: [], dependents: [], roleShare: 0, criticality: undefined },
      decision: this.#judged(),
    });
    const decision = afterEvent(command, event, judge, this.#now());
    const taken = event.mode === "preview" ? "previewSequence" : "runSequence";
    this.#carry({ ...command, [taken]: event.sequence }, decision);
  }

  #change(id: string, decide: (command: Command) => CommandDecision): void {
    const command = this.commands.get(id);
    if (command !== undefined) this.#carry(command, decide(command));
  }

  #carry(command: Command, decision: CommandDecision): void {
    const next = decision.kind === "keep" ? command : changed(command, decision.change, this.#now());
    const before = this.commands.get(command.id)?.state ?? next.state;
    if (next.state !== before && !mayMove(before, next.state))
      this.wrong.push(`${command.id} went from ${before} to ${next.state}`);
    this.commands.set(command.id, next);
  }

  #judged(): GuardDecision {
    const { verdict, approvals } = this.#rules;
    return {
      verdict: this.frozen ? "deny" : verdict,
      because: this.frozen ? "a freeze" : "a rule",
      rule: "r",
      approvals: verdict === "ask" && !this.frozen ? approvals : 0,
      approver: "approver",
      elicitation: false,
    };
  }
}

/** What the agent knows a command as: each attempt is one of its own. */
export const orderId = ({ id, attempt }: Command): string => (attempt === 1 ? id : `${id}.${attempt}`);
