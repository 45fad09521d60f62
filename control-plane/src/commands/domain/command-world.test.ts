/**
 * The control plane's decisions and an agent that obeys its rules, over a made-up world: messages are lost, doubled and
 * late, both sides are cut off, people approve at random, freezes come and go, the world changes under plans. Nothing is
 * done twice, unapproved, late, after it was cancelled before it was sent, or to a world that the plan did not see.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { commandId } from "../../kernel/ids.js";
import { MINUTE, SECOND } from "../../kernel/time.js";
import { madeCommand, REQUESTED_AT } from "../testing/made-command.js";
import { afterApply, afterApproval, beforeSending } from "./approve-command.js";
import { chooseOrder } from "./choose-order.js";
import { type Command, type CommandEvent, isOpen, mayMove, type OrderMode } from "./command.js";
import type { GuardDecision, JudgedPlan } from "./guard-command.js";
import {
  afterCancellation,
  afterEvent,
  afterTime,
  type CommandDecision,
  changed,
  isOfNoUse,
} from "./next-command.js";

const STEPS = 120_000;
const STEPS_PER_WORLD = 120;
const PEOPLE = ["ann", "bob", "cid", "dora"];

interface Order {
  readonly attempt: number;
  readonly mode: OrderMode;
  readonly generation: number;
  readonly planHash: string;
  readonly expiresAt: number;
}

/** What a host has done, and for which plan. */
interface Run {
  readonly planHash: string;
  readonly at: number;
  readonly seen: number;
  readonly world: number;
}

type What = CommandEvent["what"];

/** An agent as far as it matters here: a journal that survives its death, one answer for each id and mode. */
class Agent {
  readonly #journal = new Map<string, CommandEvent[]>();
  readonly #plans = new Map<string, number>();
  readonly runs: Run[] = [];
  #generation = 0;

  /** Takes an order; answers what it tells, again and again until it is taken. */
  take(order: Order, world: number, now: number): readonly CommandEvent[] {
    const key = `${order.attempt}/${order.mode}`;
    const known = this.#journal.get(key);
    if (order.generation < this.#generation) return [];
    this.#generation = order.generation;
    if (known !== undefined) return known;
    const told = this.#do(order, world, now).map(
      (what, index): CommandEvent => ({
        commandId: commandId("c"),
        attempt: order.attempt,
        sequence: index + 1,
        at: now,
        mode: order.mode,
        what,
      }),
    );
    this.#journal.set(key, told);
    return told;
  }

  /** All that was ever said, for an agent says it again until it is acknowledged. */
  get said(): readonly CommandEvent[] {
    return [...this.#journal.values()].flat();
  }

  #do(order: Order, world: number, now: number): readonly What[] {
    const refused = (because: string, detail = ""): readonly What[] => [{ kind: "refused", because, detail }];
    if (now >= order.expiresAt) return refused("expired");
    const finished = { kind: "finished", outcome: "succeeded", exitCode: 0, summary: "" } as const;
    if (order.mode === "preview") {
      const planHash = `${order.attempt}:${world}`.padEnd(64, "0");
      this.#plans.set(planHash, world);
      return [{ ...finished, resultJson: JSON.stringify({ observed: { world } }), planHash }];
    }
    const seen = this.#plans.get(order.planHash);
    if (seen === undefined) return refused("unknown-plan");
    if (seen !== world) return refused("drifted", `world: ${seen} -> ${world}`);
    this.runs.push({ planHash: order.planHash, at: now, seen, world });
    return [{ kind: "started" }, { ...finished, resultJson: "", planHash: order.planHash }];
  }
}

const step = fc.record({
  what: fc.constantFrom(
    ...(["dispatch", "deliver", "deliver", "deliver-twice", "lose", "tell", "tell", "tell-old"] as const),
    ...(["approve", "approve", "apply", "cancel", "drift", "pass", "reconnect", "freeze", "expire"] as const),
  ),
  person: fc.constantFrom(...PEOPLE),
  pick: fc.nat(1_000),
});

const world = fc.record({
  hold: fc.boolean(),
  verdict: fc.constantFrom("allow", "ask", "ask", "deny" as const),
  approvals: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(step, { minLength: STEPS_PER_WORLD, maxLength: STEPS_PER_WORLD }),
});

test("nothing runs twice, unapproved, late, or in a world that its plan did not see", () => {
  const seed = Number(process.env["SEED"] ?? "") || 20_261_122;
  console.log(`command world: seed ${seed}, ${STEPS} steps (SEED=${seed} plays them again)`);
  const ends = { runs: 0, drifts: 0, frozen: 0 };
  fc.assert(
    fc.property(world, ({ hold, verdict, approvals, steps }) => {
      const agent = new Agent();
      let command: Command = madeCommand("planning", { hold });
      let [now, state, session, frozen] = [REQUESTED_AT, 1, 1, false];
      const wires: Order[] = [];
      let events: CommandEvent[] = [];
      /** The people behind each order that went. */
      const behind = new Map<string, ReadonlySet<string>>();
      const judged = (): GuardDecision => ({
        verdict: frozen ? "deny" : verdict,
        because: frozen ? "a freeze" : "a rule",
        rule: "r",
        approvals: verdict === "ask" && !frozen ? approvals : 0,
        approver: "approver",
        elicitation: false,
      });
      const judge = (): JudgedPlan => ({
        reach: { nodes: ["n"], components: [], dependents: [], roleShare: 0, criticality: undefined },
        decision: judged(),
      });
      const carry = (decision: CommandDecision): void => {
        if (decision.kind === "keep") return;
        const next = changed(command, decision.change, now);
        if (next.state !== command.state)
          expect(mayMove(command.state, next.state), `${command.state} → ${next.state}`).toBe(true);
        if (next.attempt > command.attempt) {
          ends.drifts++;
          expect(next.approvals).toEqual([]);
        }
        command = next;
      };
      const take = (event: CommandEvent): void => {
        if (isOfNoUse(event) || event.attempt !== command.attempt) return;
        const seen = event.mode === "preview" ? command.previewSequence : command.runSequence;
        if (event.sequence <= seen) return;
        const decision = afterEvent(command, event, judge, now);
        command =
          event.mode === "preview"
            ? { ...command, previewSequence: event.sequence }
            : { ...command, runSequence: event.sequence };
        carry(decision);
      };
      const isSent = (): boolean => command.state === "sent";
      const send = (): void => {
        const choice = chooseOrder(command, session);
        if (choice.kind !== "order") return;
        if (command.state === "approved") {
          const decision = beforeSending(command, judged(), { kind: "clear" });
          if (frozen) ends.frozen++;
          carry(decision);
          if (!isSent()) return;
          expect(frozen, "sent in a freeze").toBe(false);
          behind.set(command.plan?.hash ?? "", new Set(command.approvals.map(({ actor }) => actor.name)));
        }
        command = { ...command, sentSession: session };
        const { attempt, generation, expiresAt } = command;
        wires.push({
          attempt,
          generation,
          expiresAt,
          mode: choice.mode,
          planHash: choice.mode === "run" ? (command.plan?.hash ?? "") : "",
        });
      };
      const deliver = (index: number): void => {
        const order = wires[index % Math.max(1, wires.length)];
        if (order !== undefined) events.push(...agent.take(order, state, now));
      };
      for (const { what, person, pick } of steps) {
        now += pick % 7 === 0 ? SECOND : 1;
        const hash = pick % 5 === 0 ? "another" : (command.plan?.hash ?? "");
        const before = command;
        switch (what) {
          case "dispatch":
            if (isOpen(command.state)) send();
            break;
          case "deliver":
            deliver(wires.length - 1);
            break;
          case "deliver-twice":
            deliver(pick);
            deliver(pick);
            break;
          case "lose":
            events = [];
            break;
          case "tell":
            for (const event of events.splice(0)) take(event);
            break;
          case "tell-old":
            for (const event of agent.said) if (event.sequence <= (pick % 3) + 1) take(event);
            break;
          case "approve":
            carry(
              afterApproval(
                command,
                {
                  by: { kind: "human", name: person },
                  roles: ["approver"],
                  planHash: hash,
                  reason: "",
                  elicited: false,
                },
                judged(),
                now,
              ),
            );
            break;
          case "apply":
            carry(afterApply(command, { kind: "human", name: "ann" }, hash, judged(), [], now));
            break;
          case "cancel":
            if (pick % 20 === 0) carry(afterCancellation(command, { kind: "human", name: person }, ""));
            break;
          case "drift":
            if (pick % 3 === 0) state = (pick % 4) + 1;
            break;
          case "pass":
            if (pick % 10 === 0) now += MINUTE;
            break;
          case "reconnect":
            session++;
            break;
          case "freeze":
            frozen = pick % 4 === 0;
            break;
          case "expire":
            carry(afterTime(command, now));
        }
        if (hash === "another" && (what === "approve" || what === "apply"))
          expect(command, "decided by another plan's hash").toBe(before);
      }
      ends.runs += agent.runs.length;
      expect(agent.runs.length).toBeLessThanOrEqual(1);
      for (const run of agent.runs) {
        expect(run.seen).toBe(run.world);
        expect(run.at).toBeLessThan(command.expiresAt);
        expect(verdict).not.toBe("deny");
        const people = behind.get(run.planHash);
        expect(people?.has("ann") ?? true).toBe(false);
        if (verdict === "ask") expect(people?.size).toBeGreaterThanOrEqual(approvals);
      }
    }),
    { numRuns: STEPS / STEPS_PER_WORLD, seed },
  );
  // A property over worlds in which nothing happens would hold too.
  expect(ends.runs).toBeGreaterThan(100);
  expect(ends.drifts).toBeGreaterThan(50);
  expect(ends.frozen).toBeGreaterThan(20);
});
