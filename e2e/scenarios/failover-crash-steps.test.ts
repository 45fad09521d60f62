/**
 * The control plane is killed at a record of a decision: it goes on with the same candidate or calls it off, and nothing that
 * was acknowledged is lost. All processes are real. `npm run trials:failover` has every record, each many times.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { CrashHouse, type CrashStep, faultsOfOutcome } from "../harness/crash-step.js";

let house: CrashHouse;
beforeAll(async () => {
  house = await CrashHouse.start();
}, 240_000);
afterAll(() => house?.stop());

test.each<CrashStep & { readonly when: string }>([
  {
    when: "its order to promote is written and not given",
    change: "node-loss",
    record: "promoting",
    moment: "written",
  },
  {
    when: "the end of the promotion is half written",
    change: "switchover",
    record: "promoted",
    moment: "unwritten",
  },
])(
  "killed when $when: the decision ends with its one candidate, and all that was acknowledged",
  async (step) => {
    const outcome = await house.run(step);
    expect(faultsOfOutcome(outcome)).toEqual([]);
    // Once its order to promote is written, a decision goes forward only.
    expect(outcome.ended).not.toContain("aborted");
    expect(outcome.acknowledged).toBeGreaterThan(0);
  },
  400_000,
);
