/**
 * Runs of made-up plans in a made-up world: drivers that fail, wait, lose what they did; whoever drives it is killed between
 * any two records and any two effects; people answer, or abort. What must never be is checked at each step.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { fuzz } from "../../platform/testing/fuzz.js";
import { applyRecord, type CascadeRecord, type CascadeState, FIRST, isDone, isOver } from "./cascade.js";
import { type Answer, abortCascade, nextCascade, type Want, wantsOf } from "./next-cascade.js";
import { KINDS, type RegionPlan, type RegionStep, type StepTarget } from "./region-plan.js";
import { needsOf } from "./step-order.js";

const target = (kind: (typeof KINDS)[number]): StepTarget => {
  if (kind === "fence" || kind === "promote") return { kind, cluster: "main", to: ["b"] };
  if (kind === "traffic") return { kind, target: "api", to: "west" };
  // What is done to it is the made-up world's.
  return { kind: "status", text: kind };
};

/** Steps of random kinds with random needs; those that the order refuses are left out. */
const plans: fc.Arbitrary<RegionPlan> = fc
  .record({
    kinds: fc.array(fc.constantFrom(...KINDS.filter((kind) => kind !== "fence")), { maxLength: 7 }),
    needs: fc.array(fc.tuple(fc.nat(10), fc.nat(10)), { maxLength: 6 }),
    overBudget: fc.constantFrom("ask" as const, "continue" as const, "abort" as const),
  })
  .map(({ kinds, needs, overBudget }) => {
    const some = kinds.includes("verify") ? kinds : [...kinds, "verify" as const];
    const all = ["fence" as const, ...[...some].sort((a, b) => KINDS.indexOf(a) - KINDS.indexOf(b))];
    const written = all.map((kind, index) => ({
      id: `${kind}-${index}`,
      needs: [
        ...new Set(
          needs.flatMap(([from, to]) =>
            from === index && to < index && to < all.length ? [`${all[to]}-${to}`] : [],
          ),
        ),
      ],
      target: { ...target(kind), kind } as StepTarget,
    }));
    const ordered = needsOf(written);
    if ("faults" in ordered) throw new Error(ordered.faults.map(({ because }) => because).join("; "));
    const steps = ordered.order.map(({ id, needs: whole }): RegionStep => {
      const own = written.find((one) => one.id === id)?.target ?? target("status");
      return {
        id,
        kind: own.kind,
        component: undefined,
        target: own,
        needs: whole,
        budget: 1_000,
        rpo: undefined,
      };
    });
    return { id: "east", title: "east", to: "west", rto: 20_000, overBudget, approval: "doubtful", steps };
  });

interface World {
  /** Effects that were made, each once: a driver knows by epoch and step what it has done. */
  readonly made: string[];
  readonly log: CascadeRecord[];
}

const draw = (numbers: readonly number[], at: { next: number }): number =>
  numbers[at.next++ % numbers.length] ?? 0;

function answerOf(want: Want, world: World, chance: number): Answer {
  const because = `${want.kind} of ${want.step}`;
  const isThere = world.made.includes(want.step);
  switch (want.kind) {
    case "look": {
      const missingMs = [undefined, 0, 5_000, null][chance % 4];
      const doubt = chance % 17 === 0 ? { doubt: "it came back" } : {};
      return {
        kind: "seen",
        because,
        rpo: 1_000,
        ...(missingMs === undefined ? {} : { missingMs }),
        ...doubt,
      };
    }
    case "act":
      if (chance % 5 === 0) return { kind: "failed", because: `${because} ${chance % 3}` };
      if (chance % 5 === 1) return { kind: "pending", because };
      if (!isThere) world.made.push(want.step);
      return { kind: "acted", because };
    case "verify":
      if (chance % 11 === 0) return { kind: "undone", because };
      return chance % 4 === 0 || !isThere ? { kind: "not-yet", because } : { kind: "verified", because };
  }
}

const fold = (log: readonly CascadeRecord[]): CascadeState => log.reduce(applyRecord, FIRST);

function play(
  plan: RegionPlan,
  numbers: readonly number[],
  steps: number,
): { world: World; state: CascadeState } {
  const begun = { at: 0, kind: "begun" as const, by: "ann", reason: "lost", planHash: "h", lostAt: -1_000 };
  const world: World = { made: [], log: [{ ...begun, lost: [], doubts: [] }] };
  const at = { next: 0 };
  let now = 0;
  /** What is done and was not answered yet: lost with whoever drives it. */
  let answers: { want: Want; answer: Answer }[] = [];
  for (let step = 0; step < steps; step++) {
    const state = fold(world.log);
    if (isOver(state)) break;
    now += draw(numbers, at) % 200;
    const chance = draw(numbers, at);
    const write = (records: readonly CascadeRecord[]): void => {
      world.log.push(...records);
    };
    if (state.question !== null && chance % 3 === 0) {
      if (chance % 7 === 0) write(abortCascade(plan, state, "ann", "no", now));
      else write([{ at: now, kind: "answered", by: "ann", reason: "go on" }]);
      continue;
    }
    switch (chance % 6) {
      case 0:
        // Killed: what was done is done, and nobody heard of it.
        answers = [];
        break;
      case 1: {
        const heard = answers.shift();
        write(nextCascade(plan, state, heard, now));
        break;
      }
      case 2:
        write(nextCascade(plan, state, undefined, now));
        break;
      default: {
        const wants = wantsOf(plan, state);
        const want = wants[chance % Math.max(1, wants.length)];
        if (want !== undefined) answers.push({ want, answer: answerOf(want, world, draw(numbers, at)) });
      }
    }
  }
  return { world, state: fold(world.log) };
}

/** What never may be, whatever happens. */
function check(plan: RegionPlan, { made, log }: World): void {
  const kindOf = new Map(plan.steps.map(({ id, kind }) => [id, kind]));
  expect(new Set(made).size, "nothing is made twice").toBe(made.length);
  for (const id of made) {
    const step = plan.steps.find((one) => one.id === id);
    const before = made.slice(0, made.indexOf(id));
    for (const needed of step?.needs ?? []) expect(before, `${id} after ${needed}`).toContain(needed);
    if (kindOf.get(id) !== "traffic") continue;
    for (const one of plan.steps) {
      if (one.kind === "traffic" || one.kind === "status") continue;
      expect(before, `traffic never before ${one.id}`).toContain(one.id);
    }
  }
  let state = FIRST;
  for (const record of log) {
    if (record.kind === "acting") {
      const step = plan.steps.find(({ id }) => id === record.step);
      expect(isDone(state, record.step), `${record.step} is not begun when it is done`).toBe(false);
      for (const needed of step?.needs ?? []) expect(isDone(state, needed)).toBe(true);
      expect(isOver(state), "nothing begins when it is over").toBe(false);
      const isNew = (state.steps[record.step]?.kind ?? "waiting") === "waiting";
      if (isNew) expect(state.question, "nothing new begins while a person is asked").toBeNull();
      const over = record.missingMs === null || (record.missingMs ?? 0) > 1_000;
      if (over && isNew)
        expect(state.accepted, "no loss beyond the RPO without a yes").toContain(`${record.step} loss`);
    }
    if (record.kind === "done") expect(made, "nothing is told as done that was not").toContain(record.step);
    state = applyRecord(state, record);
  }
}

fuzz(
  "never traffic before data, never a step twice, never out of order, whatever is killed when",
  fc.tuple(plans, fc.array(fc.nat(1_000_000), { minLength: 40, maxLength: 200 })),
  ([plan, numbers]) => check(plan, play(plan, numbers, 400).world),
  400,
);

fuzz(
  "whoever goes on after a crash at any record comes to the end",
  fc.tuple(plans, fc.nat(1_000)),
  ([plan, cut]) => {
    const world: World = { made: [], log: [] };
    const calm = {
      at: 0,
      kind: "begun" as const,
      by: "ann",
      reason: "lost",
      planHash: "h",
      lostAt: 0,
      lost: [],
    };
    world.log.push({ ...calm, doubts: [] });
    let [now, written] = [0, 0];
    for (let beat = 0; beat < 200 && !isOver(fold(world.log)); beat++) {
      for (const want of wantsOf(plan, fold(world.log))) {
        const answer = answerOf(want, world, 2);
        // At one record it dies: what was done is not written down, and is asked for again.
        if (written++ === cut % 12) continue;
        now += 1;
        world.log.push(...nextCascade(plan, fold(world.log), { want, answer }, now));
      }
      const state = fold(world.log);
      if (state.question !== null) world.log.push({ at: now, kind: "answered", by: "ann", reason: "go on" });
    }
    check(plan, world);
    expect(fold(world.log).phase).toBe("closed");
    expect(world.made.length).toBe(plan.steps.length);
  },
  200,
);

const one = (id: string, more: Partial<RegionStep> = {}): RegionStep => ({
  id,
  kind: "redis",
  component: undefined,
  target: { kind: "status", text: id },
  needs: [],
  budget: 1_000,
  rpo: undefined,
  ...more,
});
const planOf = (overBudget: RegionPlan["overBudget"], steps: readonly RegionStep[]): RegionPlan => ({
  ...{ id: "east", title: "east", to: "west", rto: 60_000, overBudget, approval: "doubtful", steps },
});
const running = (plan: RegionPlan): CascadeState =>
  wantsOf(plan, FIRST).reduce(
    (state, want) =>
      nextCascade(plan, state, { want, answer: { kind: "seen", because: "", rpo: undefined } }, 0).reduce(
        applyRecord,
        state,
      ),
    FIRST,
  );

test.each([
  { overBudget: "ask" as const, at: 1_000, kinds: [] },
  { overBudget: "ask" as const, at: 1_001, kinds: ["over-budget", "asked"] },
  { overBudget: "continue" as const, at: 1_001, kinds: ["over-budget"] },
  { overBudget: "abort" as const, at: 1_001, kinds: ["over-budget", "aborted"] },
])("a step of 1 s after $at ms, by the policy $overBudget: $kinds", ({ overBudget, at, kinds }) => {
  const plan = planOf(overBudget, [one("cache")]);
  expect(nextCascade(plan, running(plan), undefined, at).map(({ kind }) => kind)).toEqual(kinds);
});

test("what is over its budget is asked once; when it is done after all the question is withdrawn and it goes on", () => {
  const plan = planOf("ask", [one("cache"), one("api", { needs: ["cache"] })]);
  let state = nextCascade(plan, running(plan), undefined, 1_500).reduce(applyRecord, running(plan));
  expect(state.question?.about).toBe("budget");
  expect(nextCascade(plan, state, undefined, 2_000)).toEqual([]);
  const hear = (want: Want, answer: Answer): void => {
    state = nextCascade(plan, state, { want, answer }, 2_500).reduce(applyRecord, state);
  };
  hear({ kind: "act", step: "cache" }, { kind: "acted", because: "" });
  hear({ kind: "verify", step: "cache" }, { kind: "verified", because: "" });
  expect(state.question).toBeNull();
  expect(wantsOf(plan, state)).toEqual([{ kind: "look", step: "api" }]);
});

test("aborted, it says what is done, what is under way and what was not begun, and nothing more is wanted", () => {
  const plan = planOf("ask", [one("cache"), one("api", { needs: ["cache"] })]);
  const [record] = abortCascade(plan, running(plan), "ann", "the region is back", 10);
  expect(record).toMatchObject({ done: [], underWay: ["cache"], left: ["api"] });
  const state = [record].flatMap((known) => known ?? []).reduce(applyRecord, running(plan));
  expect(wantsOf(plan, state)).toEqual([]);
  expect(abortCascade(plan, state, "ann", "again", 11)).toEqual([]);
});

test("the same failure is written down once", () => {
  const plan = planOf("continue", [one("cache")]);
  let state = running(plan);
  const want = { kind: "act" as const, step: "cache" };
  const fail = (because: string): number => {
    const records = nextCascade(plan, state, { want, answer: { kind: "failed", because } }, 5);
    state = records.reduce(applyRecord, state);
    return records.length;
  };
  expect([fail("refused"), fail("refused"), fail("silent")]).toEqual([1, 0, 1]);
});

test("traffic waits for all data and every try, even in a plan that does not say so", () => {
  const bare = planOf("ask", [one("cache"), one("dns", { kind: "traffic" }), one("try", { kind: "verify" })]);
  expect(wantsOf(bare, FIRST).map(({ step }) => step)).toEqual(["cache", "try"]);
});
