/** The control plane is killed: alone, while writes go on; and at records of a failover and of a switchover that it decides. */
import type { Moment } from "../harness/control-kill.js";
import { CrashHouse, type CrashStep, crashRecords, faultsOfOutcome } from "../harness/crash-step.js";
import { PgHouse, writtenLines } from "./pg-house.js";
import type { DrillReport } from "./report.js";

const DOWN_MS = 5_000;
const LOADED_GAP_MS = 2_000;

async function alone(): Promise<DrillReport> {
  const house = await PgHouse.start();
  try {
    const before = await house.lastDecision();
    const written = await house.whileWriting(async () => {
      await house.stack.controlPlane.killHard();
      await new Promise((resolve) => setTimeout(resolve, DOWN_MS));
      await house.stack.startControlPlane();
    }, "db-1");
    await house.settled("db-1", "db-2");
    const after = await house.lastDecision();
    const none = before.count === after.count;
    return {
      passed: written.lost === 0 && none && written.longestGapMs < LOADED_GAP_MS,
      lines: [
        `the control plane was killed, and started again after ${DOWN_MS} ms`,
        ...writtenLines(written),
        none ? "nothing was decided meanwhile" : "something was decided, which should not have been",
      ],
    };
  } finally {
    await house.stop();
  }
}

/** Each record of both changes, killed when it is durable and before anything of it is done: the hardest moment to go on from. */
async function atEachStep(): Promise<DrillReport> {
  const moment: Moment = "written";
  const steps = (["node-loss", "switchover"] as const).flatMap((change) =>
    crashRecords[change].map((record): CrashStep => ({ change, record, moment })),
  );
  const house = await CrashHouse.start();
  try {
    let wrong = 0;
    for (const step of steps) {
      const outcome = await house.run(step);
      const faults = faultsOfOutcome(outcome);
      wrong += faults.length;
      const candidates = outcome.candidates.flat().join(", ");
      // Said as it comes: there are two dozen of them.
      process.stdout.write(
        `${step.change}, killed at "${step.record}": ${outcome.ended.join(", ")} (${candidates}), ${outcome.lost} of ${outcome.acknowledged} markers missing${faults.map((fault) => `; WRONG: ${fault}`).join("")}\n`,
      );
    }
    const lines = [`${steps.length} records of decisions, ${wrong} things that are not as they must be`];
    return { passed: wrong === 0, lines };
  } finally {
    await house.stop();
  }
}

export async function controlPlaneLoss(): Promise<DrillReport> {
  const first = await alone();
  process.stdout.write(`${first.lines.join("\n")}\n`);
  const second = await atEachStep();
  return { passed: first.passed && second.passed, lines: second.lines };
}
