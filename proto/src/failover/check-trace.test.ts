/** A log that holds is found to hold, and one that was changed, or rests on too little, is not. */
import { describe, expect, test } from "vitest";
import { checkTrace } from "./check-trace.js";
import type { LogRecord, RecordKind } from "./decision.js";
import { localPolicy } from "./policy.js";
import { soundRules } from "./rules.js";
import { World } from "./simulator/world.js";

const policy = localPolicy(["a", "b"], { mode: "asynchronous", rpoBytes: 20 });

/** The log of a cluster that was opened, lost its owner and failed over. */
const log: readonly LogRecord[] = (() => {
  const world = new World({ policy, rules: soundRules, seed: 1, drift: 0, tell: null });
  world.run(6_000);
  const [a] = world.nodes;
  if (a !== undefined) world.crashNode(a);
  world.run(12_000);
  return world.trace;
})();
const lastOf = (kind: RecordKind): number => log.map((record) => record.kind).lastIndexOf(kind);

function changed(kind: RecordKind, change: (record: LogRecord) => LogRecord): readonly LogRecord[] {
  const index = lastOf(kind);
  expect(index).toBeGreaterThan(0);
  return log.map((record, at) => (at === index ? change(record) : record));
}
const firstFault = (records: readonly LogRecord[]): string | undefined =>
  checkTrace(policy, "a", records)[0]?.because;

test("what the reducers wrote holds", () => {
  expect(log.filter((record) => record.kind === "closed").length).toBe(2);
  expect(checkTrace(policy, "a", log)).toEqual([]);
});

describe("a log does not hold", () => {
  test.each([
    { without: "chosen", because: '"fenced" does not follow promising' },
    { without: "fenced", because: '"promoting" does not follow chosen' },
    { without: "promoting", because: '"promoted" does not follow fenced' },
    { without: "closed", because: "is open" },
    { without: "proposed", because: "was not proposed" },
  ] as const)("without its $without", ({ without, because }) => {
    const index =
      without === "closed" ? log.findIndex((record) => record.kind === "closed") : lastOf(without);
    expect(firstFault(log.filter((_, at) => at !== index))).toContain(because);
  });

  test("when an epoch is taken twice", () => {
    expect(firstFault(changed("intended", (record) => ({ ...record, epoch: 2 }) as LogRecord))).toBe(
      "epoch 2 was taken (2)",
    );
  });

  test("when another is promoted than was chosen", () => {
    expect(firstFault(changed("promoting", (record) => ({ ...record, candidate: "a" }) as LogRecord))).toBe(
      "promotes a, but b was chosen",
    );
  });

  test("when a choice rests on nobody's promise", () => {
    expect(firstFault(changed("chosen", (record) => ({ ...record, evidence: [] }) as LogRecord))).toBe(
      "chosen with 1 of 2 promises",
    );
  });

  test("when a fence rests on nobody's promise, or on an owner who said nothing", () => {
    expect(firstFault(changed("fenced", (record) => ({ ...record, evidence: [] }) as LogRecord))).toContain(
      "1 of 2 promises",
    );
    expect(
      firstFault(changed("fenced", (record) => ({ ...record, proof: { how: "ack" } }) as LogRecord)),
    ).toBe("a did not say that it is closed");
    const detached = { how: "sync-detached", detached: 1, needed: 1 };
    expect(firstFault(changed("fenced", (record) => ({ ...record, proof: detached }) as LogRecord))).toBe(
      "only a synchronous owner waits for its holders",
    );
  });

  test("when a loss was accepted by nobody", () => {
    const proof = { how: "accepted-loss", by: "someone" };
    expect(firstFault(changed("chosen", (record) => ({ ...record, proof }) as LogRecord))).toBe(
      "nobody accepted the loss",
    );
  });

  test("when it goes on without the approval that it asked for", () => {
    expect(firstFault(changed("intended", (record) => ({ ...record, ask: "a person" }) as LogRecord))).toBe(
      "needs approval first: a person",
    );
  });
});
