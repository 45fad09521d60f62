import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CommandState } from "../../commands/domain/command.js";
import { HOUR, MINUTE, SECOND } from "../../kernel/time.js";
import type { Finding } from "./expectation.js";
import { afterCancellation, afterDecision, newRun, nextRun } from "./next-run.js";
import { layOut } from "./program.js";
import type { Run } from "./run.js";
import { entriesOf } from "./run-events.js";
import { parseRunbook, type Runbook } from "./runbook.js";
import { type Answer, type Answers, type Want, wantsOf } from "./want.js";

const T0 = Date.parse("2026-11-22T09:00:00Z");
const ANN = { kind: "human", name: "ann" } as const;
const BOB = { kind: "human", name: "bob" } as const;

const book = (steps: readonly object[], more: object = {}): Runbook => {
  const written = {
    name: "a",
    summary: "s",
    owner: "o",
    lastReviewed: "2026-11-01",
    steps: steps.map((step) => ({ summary: "s", ...step })),
    ...more,
  };
  const parsed = parseRunbook(written, () => 1);
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  return parsed.value;
};

const start = (of: Runbook, { dryRun = false, others = [] as readonly Runbook[] } = {}): Run => {
  const laid = layOut(of, {}, new Map(others.map((other) => [other.name, other])));
  if ("faults" in laid) throw new Error(laid.faults.join("\n"));
  return newRun({
    id: "r",
    runbook: of.name,
    digest: "d",
    program: laid.program,
    parameters: laid.values,
    dryRun,
    requestedBy: ANN,
    roles: ["operator"],
    reason: "why",
    traceparent: "",
    startedAt: T0,
  });
};

/** A host, a policy and an engine, made up: what is asked for by one name is one thing. */
class World {
  now = T0;
  /** By request id: what the machines were asked to do, in order, each once. */
  readonly asked = new Map<string, { id: string; state: CommandState; looks: number }>();
  series: Record<string, readonly Finding[]> = {};
  ends: (requestId: string) => CommandState = () => "succeeded";
  /** Looks until a command ends. */
  takes = 1;
  nodes: readonly string[] = [];

  answer(want: Want): Answer {
    switch (want.kind) {
      case "question":
        return { kind: "samples", findings: this.series[want.query] ?? [] };
      case "nodes":
        return { kind: "nodes", nodes: this.nodes };
      case "request":
      case "undo": {
        const known = this.asked.get(want.requestId);
        if (known === undefined)
          this.asked.set(want.requestId, { id: `of:${want.requestId}`, state: "planning", looks: 0 });
        return this.#command(this.asked.get(want.requestId)?.id ?? "");
      }
      case "find":
        return this.asked.has(want.requestId)
          ? this.#command(this.asked.get(want.requestId)?.id ?? "")
          : { kind: "refused", because: "it was not asked for" };
      case "cancel":
        for (const command of this.asked.values())
          if (command.id === want.commandId && command.state === "planning") command.state = "cancelled";
        return this.#command(want.commandId);
      case "command":
        for (const [request, command] of this.asked)
          if (command.id === want.commandId && command.state === "planning" && ++command.looks >= this.takes)
            command.state = this.ends(request);
        return this.#command(want.commandId);
    }
  }

  #command(id: string): Answer {
    const state = [...this.asked.values()].find((command) => command.id === id)?.state ?? "failed";
    const plan = { summary: "two files", verdict: "ask", because: "a rule" } as const;
    return { kind: "command", command: { id, state, because: `it is ${state}`, summary: "", plan } };
  }

  /** One beat of the loop. */
  beat(run: Run): Run {
    const answers: Answers = new Map(wantsOf(run, this.now).map((want) => [want.key, this.answer(want)]));
    return nextRun(run, answers, this.now);
  }

  /** Beats, a second each, until nothing changes for `still`, or the run has ended. */
  carryOn(run: Run, still: number = 5 * SECOND, most: number = 3 * HOUR): Run {
    let current = run;
    let quietSince = this.now;
    for (const end = this.now + most; this.now < end && current.endedAt === undefined; this.now += SECOND) {
      const next = this.beat(current);
      if (next !== current) quietSince = this.now;
      else if (this.now - quietSince >= still) break;
      current = next;
    }
    return current;
  }
}

const states = (run: Run): Record<string, string> =>
  Object.fromEntries(Object.entries(run.steps).map(([id, { state }]) => [id, state]));
const act = (id: string, more: object = {}): object => ({
  id,
  action: "rotate-logs",
  node: "n1",
  arguments: { log: "app" },
  ...more,
});
const ask = (id: string, query: string, more: object = {}): object => ({
  id,
  query,
  expect: "some",
  ...more,
});
const one = (value: number): readonly Finding[] => [{ labels: { node: "n1" }, value }];

describe("a run", () => {
  test("goes step by step, verifies what it did, and ends", () => {
    const world = new World();
    world.series = { low: one(1) };
    let run = start(
      book([
        ask("is", "low"),
        act("do", { verify: { query: "ok", expect: { every: "> 0" }, within: "1m" } }),
        { id: "rest", wait: { for: "10s" } },
      ]),
    );
    run = world.carryOn(run);
    expect([run.state, states(run)]).toEqual([
      "running",
      { is: "succeeded", do: "running", rest: "pending" },
    ]);
    expect(run.steps["do"]?.because).toContain("not yet verified: no series is there");
    world.series = { ...world.series, ok: one(2) };
    run = world.carryOn(run, 20 * SECOND);
    expect([run.state, run.because]).toEqual(["succeeded", "all 3 steps have ended well"]);
    expect([...world.asked.keys()]).toEqual(["r/do/1/n1"]);
  });

  test.each([
    [
      "fails when it is not verified in time",
      "none",
      "2m",
      "failed",
      "done, and not verified within 2m: no series is there",
    ],
    ["ends well when it is", "ok", "2m", "succeeded", "verified: all 1 are > 0"],
  ])("an action %s", (_, query, within, state, because) => {
    const world = new World();
    world.series = { ok: one(2) };
    const run = world.carryOn(
      start(book([act("do", { verify: { query, expect: { every: "> 0" }, within } })])),
      10 * MINUTE,
    );
    expect([run.steps["do"]?.state, run.steps["do"]?.because]).toEqual([state, because]);
  });

  test.each([
    ["stop", ["failed", "skipped", "skipped"], "failed", 'step "x" failed: no series is there'],
    ["continue", ["failed", "succeeded", "skipped"], "degraded", "1 of 3 steps failed: x"],
  ])("whose step fails with onFailure %s", (onFailure, wanted, state, because) => {
    const world = new World();
    world.series = { there: one(1) };
    const steps = [
      ask("x", "gone", { onFailure }),
      ask("y", "there"),
      ask("z", "there", { when: [{ step: "x", is: "succeeded" }] }),
    ];
    const run = world.carryOn(start(book(steps)));
    expect([Object.values(states(run)), run.state, run.because]).toEqual([wanted, state, because]);
  });

  test("tries again as often as it may, each time as a request of its own, after a pause", () => {
    const world = new World();
    world.ends = (request) => (request === "r/do/3/n1" ? "succeeded" : "failed");
    const run = world.carryOn(start(book([act("do", { attempts: 3, pause: "1m" })])), 5 * MINUTE);
    expect([...world.asked.keys()]).toEqual(["r/do/1/n1", "r/do/2/n1", "r/do/3/n1"]);
    expect([run.state, run.steps["do"]?.attempt]).toEqual(["succeeded", 3]);
    expect(world.now - T0).toBeGreaterThan(2 * MINUTE);
  });

  test("takes back what it did, the latest first, when a step fails with undo", () => {
    const world = new World();
    const steps = [
      act("one"),
      act("two", { arguments: { log: "b" } }),
      ask("ok", "gone", { onFailure: "undo" }),
      act("never"),
    ];
    const run = world.carryOn(start(book(steps)), MINUTE);
    expect([...world.asked.keys()]).toEqual([
      "r/one/1/n1",
      "r/two/1/n1",
      "r/undo/of:r/two/1/n1",
      "r/undo/of:r/one/1/n1",
    ]);
    expect(run.because).toBe('step "ok" failed: no series is there; 2 of 2 commands were taken back');
    expect(states(run)["never"]).toBe("skipped");
  });

  test("works on the nodes of a selector, no more at once than it may, and stops at the first that fails", () => {
    const world = new World();
    world.nodes = ["n3", "n1", "n2", "n4"];
    world.takes = 3;
    world.ends = (request) => (request.endsWith("n2") ? "failed" : "succeeded");
    const { node: _, ...step } = act("do", { selector: { role: "db" }, atOnce: 2 }) as { node: string };
    let run = start(book([step]));
    let most = 0;
    while (run.endedAt === undefined) {
      run = world.beat(run);
      world.now += SECOND;
      most = Math.max(most, [...world.asked.values()].filter(({ state }) => state === "planning").length);
    }
    expect(most).toBe(2);
    expect([...world.asked.keys()].map((key) => key.slice(-2))).toEqual(["n1", "n2"]);
    expect(run.because).toContain("(1 of 4 nodes)");
  });

  test("carries out a runbook within it, and its failure is the outer step's", () => {
    const inner = { ...book([ask("p", "gone", { onFailure: "continue" }), act("q")]), name: "b" };
    const failing = { ...book([ask("p", "gone"), act("q")]), name: "c" };
    const outer = book([
      { id: "x", runbook: "b" },
      { id: "y", runbook: "c", onFailure: "continue" },
      act("z"),
    ]);
    const run = new World().carryOn(start(outer, { others: [inner, failing] }), MINUTE);
    expect(states(run)).toEqual({
      x: "succeeded",
      "x/p": "failed",
      "x/q": "succeeded",
      y: "failed",
      "y/p": "failed",
      "y/q": "skipped",
      z: "succeeded",
    });
    expect([run.state, run.because]).toEqual(["degraded", "2 of 5 steps failed: x/p, y/p"]);
  });

  test("runs side by side what needs nothing of each other", () => {
    const run = new World().beat(
      start(book([act("one"), act("two", { needs: [] }), act("both", { needs: ["one", "two"] })])),
    );
    expect(states(run)).toEqual({ one: "running", two: "running", both: "pending" });
  });

  test("that is dry plans every action, waits for nobody and is not stopped by what does not hold now", () => {
    const world = new World();
    const steps = [
      ask("is", "gone"),
      { id: "ok", approval: { reason: "why" } },
      { id: "rest", wait: { for: "1h" } },
      act("do", { verify: { query: "x", expect: "some" } }),
    ];
    const run = world.carryOn(start(book(steps), { dryRun: true }), 30 * SECOND);
    expect([run.state, run.because]).toEqual(["degraded", "1 of 4 steps failed: is"]);
    expect(run.steps["do"]?.findings).toEqual(["n1: two files; policy says ask: a rule"]);
    expect(run.steps["ok"]?.because).toBe("would wait for a person with role approver: why");
    expect(world.now - T0).toBeLessThan(20 * SECOND);
  });
});

describe("an approval", () => {
  const waiting = () => {
    const world = new World();
    return {
      world,
      run: world.carryOn(start(book([{ id: "ok", approval: { reason: "why" }, timeout: "1h" }, act("do")]))),
    };
  };

  test("is waited for, given by another, and then it goes on", () => {
    const { world, run } = waiting();
    expect([run.state, run.because]).toEqual([
      "waiting",
      'step "ok" waits for a person with role approver: why',
    ]);
    const decision = afterDecision(run, "ok", true, BOB, ["approver"], "fine");
    if (decision.kind !== "change") throw new Error(decision.because);
    const ended = world.carryOn(decision.run);
    expect([ended.state, ended.steps["ok"]?.because, ended.steps["ok"]?.decidedBy]).toEqual([
      "succeeded",
      "approved by bob: fine",
      BOB,
    ]);
  });

  test.each([
    ["by the one who started the run", ANN, ["admin"], true, "who started a run does not approve it"],
    ["by someone without the role", BOB, ["viewer"], true, "is decided by role approver"],
  ])("%s is refused", (_, by, roles, denied, because) => {
    const decision = afterDecision(waiting().run, "ok", true, by, roles, "");
    expect(decision).toMatchObject({ kind: "keep", denied });
    expect(decision.kind === "keep" && decision.because).toContain(because);
  });

  test("that is refused by a person, or by nobody in time, fails the step", () => {
    const { world, run } = waiting();
    const decision = afterDecision(run, "ok", false, ANN, ["approver"], "no");
    if (decision.kind !== "change") throw new Error(decision.because);
    expect(world.carryOn(decision.run).because).toBe('step "ok" failed: rejected by ann: no');
    const late = waiting();
    expect(late.world.carryOn(late.run, 2 * HOUR).because).toBe('step "ok" failed: nobody decided within 1h');
    expect(late.world.asked.size).toBe(0);
  });
});

test("a cancelled run begins nothing more, and has what is under way cancelled, also what it only just asked for", () => {
  const world = new World();
  world.takes = 1_000;
  let run = world.beat(start(book([act("do"), act("next")])));
  // Asked for, and then the process died before it knew the answer.
  for (const want of wantsOf(run, world.now)) world.answer(want);
  const decision = afterCancellation(run, BOB, "enough");
  if (decision.kind !== "change") throw new Error(decision.because);
  run = world.carryOn(decision.run);
  expect([run.state, run.because, states(run)]).toEqual([
    "cancelled",
    "cancelled by bob: enough",
    { do: "cancelled", next: "cancelled" },
  ]);
  expect([...world.asked.values()].map(({ state }) => state)).toEqual(["cancelled"]);
});

test.each(["sent", "awaiting-approval"] as const)(
  "while its command is %s nothing is new, and the run stays the very same",
  (state) => {
    const world = new World();
    world.takes = 2;
    world.ends = () => state;
    world.nodes = ["n1", "n2", "n3"];
    const { node: _, ...step } = act("do", { selector: { role: "db" }, atOnce: 2 }) as { node: string };
    let run = start(book([step, { id: "rest", wait: { for: "1h" }, needs: [] }]));
    for (let i = 0; i < 6; i++) run = world.beat(run);
    const quiet = world.beat(run);
    expect(quiet).toBe(run);
    expect(run.steps["do"]?.state).toBe(state === "sent" ? "running" : "waiting");
  },
);

test("the journal is told of each move once", () => {
  const world = new World();
  let run = start(book([act("do")]));
  const kinds: string[] = entriesOf(undefined, run, ANN).map(({ kind }) => kind);
  while (run.endedAt === undefined) {
    const next = world.beat(run);
    if (next !== run) kinds.push(...entriesOf(run, next).map(({ kind }) => kind));
    run = next;
    world.now += SECOND;
  }
  expect(kinds).toEqual([
    "runbook.started",
    "runbook.step-running",
    "runbook.step-succeeded",
    "runbook.succeeded",
  ]);
});

/** Made-up runbooks: actions, questions, waits, retries and undo, one after another or side by side. */
const anyStep = (index: number, forks: boolean) =>
  fc.record({
    kind: fc.constantFrom("action", "action", "query", "pause"),
    fails: fc.integer({ min: 0, max: 3 }),
    attempts: fc.integer({ min: 1, max: 3 }),
    onFailure: fc.constantFrom("stop", "continue", "undo"),
    needs: forks
      ? fc.option(fc.subarray(Array.from({ length: index }, (_, i) => `s${i}`)), { nil: undefined })
      : fc.constant(undefined),
  });
const anySteps = (forks: boolean) =>
  fc
    .integer({ min: 1, max: 6 })
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => anyStep(index, forks))));
type Made = readonly {
  kind: string;
  fails: number;
  attempts: number;
  onFailure: string;
  needs: string[] | undefined;
}[];

/** When the process dies: before anything is asked for, in the middle of asking, or when nothing of it is stored yet. */
const anyFate = fc.array(fc.constantFrom("go", "before", "half", "after"), { minLength: 5, maxLength: 60 });

/** Carries a made-up runbook out with these deaths. */
function play(made: Made, fates: readonly string[]) {
  const steps = made.map(({ kind, attempts, onFailure, needs, fails }, index) => {
    const common = { id: `s${index}`, onFailure, ...(needs === undefined ? {} : { needs }) };
    if (kind === "action") return act(common.id, { ...common, attempts, pause: "1s" });
    if (kind === "query") return ask(common.id, fails > 1 ? "gone" : "there", common);
    return { ...common, wait: { for: "2s" } };
  });
  const world = new World();
  world.series = { there: one(1) };
  world.takes = 2;
  world.ends = (request) => {
    const [, id = "", attempt] = request.split("/");
    const { fails = 0 } = made[Number(id.slice(1))] ?? {};
    return id !== "undo" && Number(attempt) <= fails ? "failed" : "succeeded";
  };
  let run = start(book(steps));
  const journal: string[] = [];
  for (let beat = 0; run.endedAt === undefined; beat++) {
    if (beat > 400) throw new Error(`it does not end: ${run.because}`);
    const fate = fates[beat] ?? "go";
    const wants = wantsOf(run, world.now);
    const upTo = fate === "before" ? 0 : fate === "half" ? Math.ceil(wants.length / 2) : wants.length;
    const answers = new Map(wants.slice(0, upTo).map((want) => [want.key, world.answer(want)]));
    if (fate === "go") {
      const next = nextRun(run, answers, world.now);
      if (next !== run)
        journal.push(...entriesOf(run, next).map(({ kind, facts }) => `${kind} ${facts["step"]}`));
      run = next;
    }
    world.now += SECOND;
  }
  return { run, world, journal };
}

test("a crash at any moment of a chain of steps loses nothing and repeats nothing", () => {
  const account = ({ run, world, journal }: ReturnType<typeof play>) => ({
    asked: [...world.asked.keys()],
    states: states(run),
    state: run.state,
    journal,
  });
  fc.assert(
    fc.property(anySteps(false), anyFate, (made, fate) => {
      expect(account(play(made, fate))).toEqual(account(play(made, [])));
    }),
    { numRuns: 300 },
  );
});

test("where steps go side by side and processes die, everything asked for has ended and is accounted for", () => {
  fc.assert(
    fc.property(anySteps(true), anyFate, (made, fate) => {
      const { run, world } = play(made, fate);
      const stopped = run.program.steps.some(
        ({ id, onFailure }) => onFailure === "undo" && run.steps[id]?.state === "failed",
      );
      for (const [index, { attempts, fails }] of made.entries()) {
        const state = run.steps[`s${index}`];
        const asked = [...world.asked.keys()].filter((key) => key.startsWith(`r/s${index}/`));
        // The next attempt only after the one before, and none after one that succeeded.
        expect(asked).toEqual(asked.map((_, nth) => `r/s${index}/${nth + 1}/n1`));
        expect(asked.length).toBeLessThanOrEqual(Math.min(attempts, fails + 1));
        const succeeded = asked.length > fails ? [`of:${asked.at(-1)}`] : [];
        expect(state?.done ?? []).toEqual(succeeded);
        if (stopped)
          expect((state?.undo ?? []).map(({ of, end }) => [of, end])).toEqual(
            succeeded.map((of) => [of, "succeeded"]),
          );
      }
      expect([...world.asked.values()].filter(({ state }) => state === "planning")).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
