import { describe, expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../kernel/time.js";
import { WINDOW } from "../../kernel/window.js";
import { chooseDrill, type DrillWorld, type StoodDrill, whyAbort } from "./choose-drill.js";
import type { DrillDefinition, DrillStanding } from "./drill.js";

/** A Tuesday, 10:00 UTC. */
const NOW = Date.UTC(2026, 10, 24, 10);
const drill: DrillDefinition = {
  id: "main-restore",
  cluster: "main",
  kind: "restore",
  every: 10 * DAY,
  byItself: true,
  windows: [],
  atMost: HOUR,
  restore: { node: "db-2", repository: "main", to: "newest" },
};
const standing: DrillStanding = {
  lastAt: NOW - 9 * DAY,
  last: "passed",
  because: "",
  score: 100,
  dueAt: NOW + DAY,
  overdue: false,
  account: undefined,
  report: undefined,
};
const world: DrillWorld = { open: undefined, held: undefined, against: new Map(), now: NOW };
const morning = WINDOW.parse({ days: ["tue"], from: "09:00", until: "11:00" });
const night = WINDOW.parse({ from: "01:00", until: "02:00" });
const stood = (
  definition: Partial<DrillDefinition> = {},
  stands: Partial<DrillStanding> = {},
): StoodDrill => ({ drill: { ...drill, ...definition }, standing: { ...standing, ...stands } });

describe("a drill begins by itself", () => {
  test.each<{ when: string; drill: StoodDrill; world?: Partial<DrillWorld>; begins: boolean }>([
    { when: "a tenth of its pace before it is due", drill: stood(), begins: true },
    { when: "not before that", drill: stood({}, { dueAt: NOW + DAY + 1 }), begins: false },
    { when: "when it is overdue", drill: stood({}, { dueAt: NOW - DAY, overdue: true }), begins: true },
    { when: "not when a person begins it", drill: stood({ byItself: false }), begins: false },
    { when: "not while another is open", drill: stood(), world: { open: "other" }, begins: false },
    { when: "not in a freeze", drill: stood(), world: { held: "a freeze" }, begins: false },
    {
      when: "not while something is against it",
      drill: stood(),
      world: { against: new Map([["main-restore", "an alert"]]) },
      begins: false,
    },
    {
      when: "though something is against another",
      drill: stood(),
      world: { against: new Map([["other", "an alert"]]) },
      begins: true,
    },
    { when: "within a window", drill: stood({ windows: [morning] }), begins: true },
    { when: "not outside of its windows", drill: stood({ windows: [night] }), begins: false },
    {
      when: "within a window as soon as a quarter of its pace is left",
      drill: stood({ windows: [morning] }, { dueAt: NOW + 2.5 * DAY, lastAt: NOW - 7.5 * DAY }),
      begins: true,
    },
    {
      when: "at once when no backup was ever restored",
      drill: stood({}, { last: "never", lastAt: undefined, dueAt: NOW + 10 * DAY }),
      begins: true,
    },
    {
      when: "not at once when a switchover was never made",
      drill: stood({ kind: "switchover" }, { last: "never", lastAt: undefined, dueAt: NOW + 10 * DAY }),
      begins: false,
    },
    {
      when: "not again right after it failed",
      drill: stood({}, { last: "failed", lastAt: NOW - DAY + 1, dueAt: NOW - DAY }),
      begins: false,
    },
    {
      when: "again when a tenth of its pace has gone by",
      drill: stood({}, { last: "failed", lastAt: NOW - DAY, dueAt: NOW - DAY }),
      begins: true,
    },
    {
      when: "not sooner again than ten minutes, however often it is wanted",
      drill: stood({ every: MINUTE }, { last: "failed", lastAt: NOW - 9 * MINUTE, dueAt: NOW - MINUTE }),
      begins: false,
    },
  ])("$when", ({ drill: one, world: changes, begins }) => {
    const choice = chooseDrill([one], { ...world, ...changes });
    expect(choice.kind).toBe(begins ? "begin" : "none");
    expect(choice.because).not.toBe("");
  });

  test("the one that is due first, past those that may not", () => {
    const late = stood({ id: "late" }, { dueAt: NOW - 1 });
    const later = stood({ id: "later" }, { dueAt: NOW });
    const held = stood({ id: "held", byItself: false }, { dueAt: NOW - DAY });
    expect(chooseDrill([later, held, late], world)).toMatchObject({ kind: "begin", drill: { id: "late" } });
  });
});

test.each([
  { when: "nothing speaks against it", run: {}, trouble: "", because: undefined },
  { when: "somebody wants it", run: { abortBecause: "ann: not now" }, trouble: "", because: "ann: not now" },
  {
    when: "it is exactly as long as it may be",
    run: { begunAt: NOW - HOUR },
    trouble: "",
    because: undefined,
  },
  {
    when: "it takes longer",
    run: { begunAt: NOW - HOUR - 1 },
    trouble: "",
    because: "it is not over after 1h",
  },
  { when: "its component is in trouble", run: {}, trouble: "an alert", because: "an alert" },
])("a run is called off when $when: $because", ({ run, trouble, because }) => {
  const open = { begunAt: NOW, component: "main", abortBecause: "", ...run };
  const troubles = new Map(trouble === "" ? [] : [["main", trouble]]);
  expect(whyAbort(open, HOUR, { trouble: troubles, now: NOW })).toBe(because);
});
