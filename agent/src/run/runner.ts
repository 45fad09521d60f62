/**
 * Takes orders, decides, journals, runs, tells. An order runs once: it is in the journal before it starts, a repeat gets
 * the first answer, and what was running when the agent died is reported, never begun again.
 */
import type { SignedOrder } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { PinnedKey } from "../identity/identity.js";
import { reasonOf } from "../log.js";
import { afterInterruption, plannedArguments } from "./actions.js";
import { allow } from "./allow.js";
import { canonicalJson } from "./canonical.js";
import { type ActionArguments, commandKey, type VerifiedOrder } from "./command.js";
import { Execution, type ExecutionParts } from "./execution.js";
import type { JournalEntry } from "./journal.js";
import { judgeOrder, type PlannedFor } from "./judge-order.js";
import { OrderClock } from "./order-clock.js";
import { runProgram, startDetached } from "./process.js";
import { readOrder } from "./verify-order.js";

/** What the runner is made of. */
export interface RunnerParts extends Omit<ExecutionParts, "serverNow"> {
  /** Keys that may sign orders, as pinned now. */
  readonly orderKeys: () => readonly PinnedKey[];
  readonly nodeId: () => string;
  /** The control plane's clock minus this host's, in ms. */
  readonly clockOffsetMs: () => number;
}

/** Orders that run at the same time, and that wait. */
const runningMax = 4;
const waitingMax = 64;
const cancelledMax = 256;
const passingMax = 256;

/** Outcomes of orders for the probes. */
export type OrderCounts = Readonly<Record<string, number>>;

export class Runner {
  readonly #parts: RunnerParts & ExecutionParts;
  readonly #time: OrderClock;
  readonly #running = new Map<string, Execution>();
  readonly #waiting: Execution[] = [];
  readonly #cancelled = new Map<string, string>();
  /** Refusals that the journal does not have, by command and mode: whoever was told no is not to find it done later. */
  readonly #passing = new Map<string, { readonly because: string; readonly detail: string }>();
  readonly #counts: Record<string, number> = {};
  #stopping = false;
  /** Orders are judged one after the other: two copies of one order must not both find it unknown. */
  #turn: Promise<void> = Promise.resolve();
  #turns = 0;

  constructor(parts: RunnerParts) {
    this.#time = new OrderClock(parts.system.clock, parts.clockOffsetMs);
    this.#parts = { ...parts, serverNow: () => this.#time.now() };
  }

  /** The control plane's clock was compared with this host's: what is known of its time counts from here. */
  timeLearnt(): void {
    this.#time.now();
  }

  get counts(): OrderCounts {
    return this.#counts;
  }

  /** Looks after what an earlier life left: reports what was interrupted, and runs what was accepted but not begun. */
  async recover(): Promise<void> {
    for (const entry of this.#parts.journal.unfinished()) {
      const last = entry.events.at(-1)?.body.kind;
      if (last === undefined || last === "accepted") await this.#takeUp(entry);
      else if (!(await this.#adopt(entry))) await this.#reportInterrupted(entry);
    }
  }

  /** Takes an order from the stream. */
  order(signed: SignedOrder): void {
    if (this.#turns >= waitingMax) {
      this.#parts.log("warn", "orders come faster than they are judged; one was left to be sent again");
      return;
    }
    this.#turns++;
    this.#turn = this.#turn
      .then(() => this.#judge(signed))
      .catch((error: unknown) =>
        this.#parts.log("error", "an order was not judged", { because: reasonOf(error) }),
      )
      .finally(() => {
        this.#turns--;
      });
  }

  /** Stops a command in both modes, now or when its order comes. */
  cancel(commandId: string, because: string): void {
    const reason = `cancelled: ${because.slice(0, 300)}`;
    this.#parts.log("info", "a command is cancelled", { commandId, because });
    if (this.#cancelled.size >= cancelledMax)
      this.#cancelled.delete(this.#cancelled.keys().next().value ?? "");
    this.#cancelled.set(commandId, reason);
    for (const execution of [...this.#running.values(), ...this.#waiting]) {
      if (execution.order.commandId === commandId) execution.stop("cancelled", reason);
    }
  }

  /** Stops what runs and waits until it is told; `ms` at most. */
  async stop(ms: number): Promise<void> {
    this.#stopping = true;
    // What was accepted and not begun stays in the journal and is begun in the agent's next life.
    this.#waiting.length = 0;
    // What lives on in a unit of its own is followed by the next life.
    const ending = (): Execution[] => [...this.#running.values()].filter((one) => !one.outlivesAgent);
    for (const execution of ending()) execution.stop("cancelled", "the agent was stopped");
    const { clock, timers } = this.#parts.system;
    const until = clock.monotonic() + ms;
    while (ending().length > 0 && clock.monotonic() < until) await timers.sleep(20);
  }

  async #judge(signed: SignedOrder): Promise<void> {
    const { journal, policy, log } = this.#parts;
    const read = readOrder(signed, this.#parts.orderKeys());
    if (read.kind === "bad") {
      this.#count(`refused-${read.because}`);
      log("error", "an order was refused: it is not from one who may give orders", {
        because: read.because,
        detail: read.detail,
        commandId: read.claimed?.commandId,
      });
      // Not in the journal: what somebody else made up must not use up the answer to the real order.
      if (read.claimed !== undefined) {
        const { commandId, mode } = read.claimed;
        if (journal.find(commandId, mode) === undefined) {
          journal.say(commandId, mode, { kind: "refused", because: read.because, detail: read.detail });
        }
      }
      return;
    }
    const { order } = read;
    const { commandId, mode, action } = order;
    const refused = this.#passing.get(commandKey(commandId, mode));
    if (refused !== undefined) {
      this.#count("repeated");
      journal.say(commandId, mode, { kind: "refused", ...refused });
      return;
    }
    const judgement = judgeOrder(
      {
        order,
        nodeId: this.#parts.nodeId(),
        now: this.#time.now(),
        isKnown: journal.find(commandId, mode) !== undefined,
        generationSeen: journal.generationSeen(commandId),
        cancelledBecause: this.#cancelled.get(commandId),
        hasRoom: journal.hasRoom && this.#waiting.length < waitingMax && !this.#stopping,
        verdict: allow(policy, action, order.argumentsJson),
        plan: this.#plannedFor(order),
      },
      argumentsText,
    );
    log("info", "an order came", {
      commandId,
      mode,
      action,
      judged: judgement.kind,
      traceparent: order.traceparent,
    });
    switch (judgement.kind) {
      case "repeat":
        this.#count("repeated");
        journal.repeat(commandId, mode);
        return;
      case "refuse": {
        const { because, detail } = judgement;
        this.#count(`refused-${because}`);
        log("warn", "an order was refused", { commandId, mode, action, because, detail });
        if (judgement.lasting) await journal.begin(order, { kind: "refused", because, detail });
        else this.#refuseInPassing(order, because, detail);
        if (!journal.hasRoom) await journal.tidy();
        return;
      }
      case "accept":
        try {
          await journal.begin(order, { kind: "accepted" });
        } catch (error) {
          const detail = `it could not be journalled, so it was not begun: ${reasonOf(error)}`;
          log("error", "an order was refused", { commandId, mode, action, because: "journal", detail });
          this.#refuseInPassing(order, "journal", detail);
          return;
        }
        this.#enqueue(order, judgement.arguments);
    }
  }

  #enqueue(order: VerifiedOrder, args: ActionArguments): void {
    const execution = new Execution(this.#parts, order, args);
    // The cancellation may have come while the acceptance was being written down.
    const cancelled = this.#cancelled.get(order.commandId);
    if (cancelled !== undefined) execution.stop("cancelled", cancelled);
    this.#waiting.push(execution);
    this.#startNext();
  }

  /** Starts what waits, while there is room. Two commands of one action never run at the same time. */
  #startNext(): void {
    for (let index = 0; index < this.#waiting.length && this.#running.size < runningMax; ) {
      const next = this.#waiting[index];
      const busy = [...this.#running.values()].some(({ order }) => order.action === next?.order.action);
      if (next === undefined || busy) {
        index++;
        continue;
      }
      this.#waiting.splice(index, 1);
      this.#run(next);
    }
  }

  #run(execution: Execution, adopted?: string): void {
    const { order } = execution;
    const key = commandKey(order.commandId, order.mode);
    this.#running.set(key, execution);
    this.#count("started");
    (adopted === undefined ? this.#begin(execution) : execution.start(adopted))
      .catch((error: unknown) =>
        this.#parts.log("error", "a command broke off", { ...naming(order), because: reasonOf(error) }),
      )
      .finally(() => {
        this.#running.delete(key);
        this.#startNext();
      });
  }

  async #begin(execution: Execution): Promise<void> {
    const { order } = execution;
    if (this.#time.now() >= order.expiresAt) {
      this.#count("refused-expired");
      const detail = "it waited on this host until it expired";
      return this.#parts.journal.append(order.commandId, order.mode, {
        kind: "refused",
        because: "expired",
        detail,
      });
    }
    await execution.start();
  }

  /** Something that was accepted before the agent died and had not begun: it may still run, once. */
  async #takeUp({ order, events }: JournalEntry): Promise<void> {
    const { journal, policy, system } = this.#parts;
    const acceptedAt = events.at(-1)?.at ?? 0;
    if (system.clock.now() < acceptedAt) {
      const detail = `it was accepted at ${new Date(acceptedAt).toISOString()} and this host's clock was set back since: whether it has expired is not known`;
      this.#count("refused-expired");
      return journal.append(order.commandId, order.mode, { kind: "refused", because: "expired", detail });
    }
    const verdict = allow(policy, order.action, order.argumentsJson);
    if (verdict.kind === "deny") {
      const { because, detail } = verdict;
      return journal.append(order.commandId, order.mode, { kind: "refused", because, detail });
    }
    this.#enqueue(order, verdict.arguments);
  }

  /** Whether what was running lives on in a unit of its own: it is then followed to its end, and the rest is done. */
  async #adopt({ order }: JournalEntry): Promise<boolean> {
    const { units, policy, log } = this.#parts;
    if (units === undefined || order.mode !== "run") return false;
    const verdict = allow(policy, order.action, order.argumentsJson);
    if (verdict.kind === "deny") return false;
    const execution = new Execution(this.#parts, order, verdict.arguments);
    if (!execution.outlivesAgent) return false;
    const unit = await units.find(order.commandId);
    if (unit === undefined) return false;
    log("info", "a command is taken up again", { ...naming(order), unit });
    this.#count("adopted");
    this.#run(execution, unit);
    return true;
  }

  async #reportInterrupted({ order }: JournalEntry): Promise<void> {
    const { journal, log } = this.#parts;
    const detail = `the agent died while ${order.action} ran (${order.mode}): ${await this.#whatIsKnown(order)}`;
    log("error", "a command was interrupted by the death of the agent", { ...naming(order), detail });
    this.#count("interrupted");
    await journal.append(order.commandId, order.mode, { kind: "interrupted", detail });
  }

  async #whatIsKnown(order: VerifiedOrder): Promise<string> {
    if (order.mode === "preview") return "a preview touches nothing";
    const verdict = allow(this.#parts.policy, order.action, order.argumentsJson);
    const plan = this.#parts.plans.find(order.planHash);
    if (verdict.kind === "deny" || plan === undefined) return "what it did is not known";
    const { actions, policy, system } = this.#parts;
    try {
      return await afterInterruption(actions, verdict.arguments, plan, {
        policy,
        system,
        signal: AbortSignal.timeout(30_000),
        deadline: system.clock.monotonic() + 30_000,
        say: () => undefined,
        runProgram,
        startDetached,
      });
    } catch (error) {
      return `what it did is not known: ${reasonOf(error)}`;
    }
  }

  #plannedFor(order: VerifiedOrder): PlannedFor | undefined {
    const plan = order.mode === "run" ? this.#parts.plans.find(order.planHash) : undefined;
    return plan && { action: plan.action, arguments: canonicalJson(plan.arguments) };
  }

  #refuseInPassing({ commandId, mode }: VerifiedOrder, because: string, detail: string): void {
    if (this.#passing.size >= passingMax) this.#passing.delete(this.#passing.keys().next().value ?? "");
    this.#passing.set(commandKey(commandId, mode), { because, detail });
    this.#parts.journal.say(commandId, mode, { kind: "refused", because, detail });
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }
}

function argumentsText(args: ActionArguments): string {
  return canonicalJson(plannedArguments(args));
}

function naming({ commandId, mode, action }: VerifiedOrder): {
  commandId: string;
  mode: string;
  action: string;
} {
  return { commandId, mode, action };
}
