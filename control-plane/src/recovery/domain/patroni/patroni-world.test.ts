/** What must never be, over made-up worlds: nodes come and go, Patroni acts, people ask, answers and processes are lost. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FailoverRequest, RequestKind } from "../failover-request.js";
import { afterRequest } from "./ask-patroni.js";
import { afterAnswer, afterLook } from "./next-patroni.js";
import {
  applyRecord,
  NEVER_ADOPTED,
  type PatroniPolicy,
  type PatroniRecord,
  type PatroniState,
  refusalOf,
} from "./patroni-cluster.js";
import { fitReplicas, openOwner, type PatroniHeard, type PatroniSeen, readSeen } from "./patroni-seen.js";
import { NO_MEMORY, type PatroniEffect, type PatroniMemory, type PatroniStep } from "./patroni-step.js";

const NAMES = ["a", "b", "c"] as const;
type Name = (typeof NAMES)[number];

const happenings = [
  "look",
  "wait",
  "node-dies",
  "node-returns",
  "patroni-acts",
  "store-away",
  "store-back",
  "unheard",
  "heard",
  "kill",
  "answer",
  "lose-answer",
  "somebody-pauses",
  "switchover",
  "force",
  "pause",
  "resume",
  "approve",
  "refuse",
] as const;
type Happening = (typeof happenings)[number];

/** Patroni as far as it matters: who holds the lease, who runs, and what it was asked and has not done yet. */
class World {
  now = 0;
  leader: Name | null = "a";
  timeline = 1;
  lsn = 1_000;
  paused = false;
  store = true;
  readonly up = new Set<Name>(NAMES);
  /** Members that Patroni hears, and we do not. */
  readonly unheard = new Set<Name>();
  readonly history: (string | number)[][] = [];
  state: PatroniState = NEVER_ADOPTED;
  memory: PatroniMemory = NO_MEMORY;
  seen: PatroniSeen | undefined;
  readonly log: PatroniRecord[] = [];
  /** On the way: what was done of them is in the answer. */
  answers: { readonly epoch: number; readonly status: number; readonly says: string }[] = [];

  constructor(readonly policy: PatroniPolicy) {
    const adopted = { leader: "a", timeline: 1, members: [...NAMES], version: "3.0.2", by: "ann" };
    this.write({ at: 0, kind: "patroni-adopted", ...adopted });
  }

  promote(to: Name): void {
    this.history.push([this.timeline, this.lsn, "promoted", "then", to]);
    this.leader = to;
    this.timeline += 1;
    this.lsn += 10;
  }

  hear(): PatroniHeard {
    const leads = (name: Name) => this.store && name === this.leader && this.up.has(name);
    const endpoint = (name: string) => `http://${name}:8008`;
    const view = {
      members: [...this.up].map((name) => ({
        name,
        role: name === this.leader ? "leader" : "replica",
        state: "running",
        api_url: endpoint(name),
        timeline: this.timeline,
        ...(name === this.leader ? {} : { lag: 0 }),
      })),
      pause: this.paused,
    };
    return {
      own: NAMES.map((name) => {
        if (!this.up.has(name) || this.unheard.has(name))
          return { endpoint: endpoint(name), body: undefined, silent: "no", unasked: this.now % 2 === 0 };
        const body = {
          state: "running",
          role: leads(name) ? "master" : "replica",
          timeline: this.timeline,
          xlog: leads(name) ? { location: this.lsn } : { received_location: this.lsn },
        };
        return { endpoint: endpoint(name), body, silent: "", unasked: false };
      }),
      cluster: this.store && this.up.size > this.unheard.size ? view : undefined,
      history: this.history,
      config: { ttl: 20, loop_wait: 1, maximum_lag_on_failover: 1_000 },
    };
  }

  write(record: PatroniRecord): void {
    const refusal = refusalOf(this.state, record);
    if (refusal !== undefined) throw new Error(`"${record.kind}": ${refusal}`);
    this.log.push(record);
    this.state = applyRecord(this.state, record);
  }

  take(step: PatroniStep): void {
    for (const record of step.records) this.write(record);
    for (const effect of step.effects) this.ask(effect);
  }

  /** Patroni takes it and does it at once; what it says of it is on its way. */
  ask(effect: PatroniEffect): void {
    if (effect.kind === "page") return;
    if (effect.kind === "pause") {
      this.memory = { ...this.memory, pausedAt: this.now };
      if (this.store) this.paused = effect.pause;
      return;
    }
    const { epoch, from, path } = effect;
    const to = effect.to as Name;
    const { decision } = this.state;
    // It is asked for what is written down, and by nobody but an open decision.
    expect(decision).toMatchObject({ epoch, phase: "asked", to, from });
    expect(this.log.some((one) => one.kind === "patroni-asked" && one.epoch === epoch)).toBe(true);
    this.memory = { ...this.memory, asking: { epoch, at: this.now, lost: false } };
    const fits = this.store && this.up.has(to) && to !== this.leader;
    if (!fits) this.answers.push({ epoch, status: 412, says: "no good candidates" });
    else if (path === "/switchover" && this.leader !== from)
      this.answers.push({ epoch, status: 412, says: "leader name does not match" });
    else {
      this.promote(to);
      this.answers.push({ epoch, status: 200, says: "done" });
    }
  }

  look(): void {
    const seen = readSeen(this.hear(), this.now, this.seen);
    this.seen = seen;
    this.take(afterLook(this.policy, this.state, seen, this.memory));
    const open = openOwner(seen);
    const fitAt =
      this.memory.fitAt === undefined || fitReplicas(seen).length > 0 ? seen.at : this.memory.fitAt;
    const last = open === undefined ? this.memory.open : { ...open, at: seen.at };
    this.memory = { ...this.memory, lookedAt: seen.at, open: last, fitAt };
  }

  wish(kind: RequestKind, to: Name | ""): void {
    const request: FailoverRequest = {
      id: "r",
      cluster: "c",
      kind,
      to,
      reason: "so",
      epoch: this.state.decision?.epoch,
      acceptLoss: to !== "",
      requestedBy: { kind: "human", name: "ann" },
      requestedAt: this.now,
      state: "waiting",
      because: "",
      decidedBy: undefined,
      planHash: "",
      drill: "",
    };
    this.take(afterRequest(this.policy, this.state, request, this.seen, this.memory, this.now));
  }

  happen(what: Happening, who: Name): void {
    this.now += 250;
    switch (what) {
      case "look":
        this.look();
        return;
      case "wait":
        this.now += 15_000;
        return;
      case "node-dies":
        this.up.delete(who);
        return;
      case "node-returns":
        this.up.add(who);
        return;
      case "patroni-acts": {
        const next = NAMES.find((name) => name !== this.leader && this.up.has(name));
        const lost = this.leader === null || !this.up.has(this.leader);
        if (this.store && !this.paused && lost && next !== undefined) this.promote(next);
        return;
      }
      case "store-away":
        this.store = false;
        return;
      case "store-back":
        this.store = true;
        return;
      case "unheard":
        this.unheard.add(who);
        return;
      case "heard":
        this.unheard.delete(who);
        return;
      case "kill":
        this.memory = { ...NO_MEMORY, open: this.memory.open, lookedAt: this.memory.lookedAt };
        this.seen = undefined;
        this.answers = [];
        return;
      case "answer": {
        const answer = this.answers.shift();
        if (answer !== undefined) this.take(afterAnswer(this.state, answer, this.now));
        return;
      }
      case "lose-answer": {
        const lost = this.answers.shift();
        if (lost !== undefined && this.memory.asking?.epoch === lost.epoch)
          this.memory = { ...this.memory, asking: { epoch: lost.epoch, at: this.now, lost: true } };
        return;
      }
      case "somebody-pauses":
        this.paused = !this.paused;
        return;
      default:
        this.wish(what, this.now % 500 === 0 ? who : "");
    }
  }

  /** All is well again, and everybody has time. */
  calmDown(): void {
    for (const name of NAMES) this.up.add(name);
    this.unheard.clear();
    this.store = true;
    this.leader ??= "a";
    for (let looks = 0; looks < 100; looks++) {
      this.happen("answer", "a");
      this.happen("look", "a");
      this.now += 1_000;
    }
  }
}

const step = fc.tuple(fc.constantFrom(...happenings), fc.constantFrom(...NAMES), fc.boolean());
const policies: readonly PatroniPolicy[] = [
  { endpoints: NAMES.map((name) => `http://${name}:8008`), manual: false, failoversPerHourMax: 0 },
  { endpoints: NAMES.map((name) => `http://${name}:8008`), manual: true, failoversPerHourMax: 0 },
  { endpoints: NAMES.map((name) => `http://${name}:8008`), manual: false, failoversPerHourMax: 1 },
];

test("nothing is asked that is not written down, no record is out of place, and in the end the log knows who leads", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...policies),
      fc.array(step, { minLength: 60, maxLength: 120, size: "max" }),
      (policy, steps) => {
        const world = new World(policy);
        for (const [what, who, looks] of steps) {
          world.happen(what, who);
          if (looks) world.happen("look", who);
        }
        world.calmDown();
        const { leader, timeline, decision, taken, pausing } = world.state;
        expect({ leader, timeline, open: decision?.phase }).toEqual({
          leader: world.leader,
          timeline: world.timeline,
          open: undefined,
        });
        const epochs = world.log.flatMap((one) => (one.kind === "patroni-intended" ? [one.epoch] : []));
        expect(epochs).toEqual(Array.from({ length: taken }, (_, index) => index + 1));
        // Each change of the owner is told once, by a decision of its own.
        const told = world.log.flatMap((one) => (one.kind === "patroni-promoted" ? [one.timeline] : []));
        expect(new Set(told.filter((one) => one > 1))).toEqual(
          new Set(Array.from({ length: world.timeline - 1 }, (_, index) => index + 2)),
        );
        if (policy.manual || world.state.hold !== null) expect([pausing, world.paused]).toEqual(["on", true]);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
