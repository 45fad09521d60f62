/** The owner of a cluster is changed as planned, by the drill that the components file defines, and back again by another. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../harness/until.js";
import { PgHouse, type Written, writtenLines } from "./pg-house.js";
import type { DrillReport } from "./report.js";

const PATIENCE_MS = 120_000;
const COMPONENTS = `components:
  - id: main
    criticality: critical
    objectives: [{ source: the drill, rto: 1m, rpo: 0s }]
    drills: [{ kind: switchover, every: 30d }]
`;

async function turn(
  house: PgHouse,
  to: "db-1" | "db-2",
): Promise<{ written: Written; says: string; passed: boolean }> {
  const { operator } = house;
  const drills = operator.drills();
  let says = "";
  let passed = false;
  const written = await house.whileWriting(async () => {
    const { run } = await until(
      "nothing to be against the switchover",
      () => drills.runDrill({ drill: "main-switchover", reason: "a drill on this machine" }),
      PATIENCE_MS,
    );
    const ended = await until(
      "the drill to end",
      async () => {
        const now = (await drills.getDrillRun({ runId: run?.runId ?? "" })).run;
        return now?.state === "open" ? undefined : now;
      },
      PATIENCE_MS,
    );
    says = `to ${to}: ${ended.state}, score ${ended.score}: ${ended.because}`;
    passed = ended.state === "passed";
  }, to);
  await house.settled(to, to === "db-1" ? "db-2" : "db-1");
  return { written, says, passed };
}

export async function pgSwitchover(): Promise<DrillReport> {
  const directory = mkdtempSync(join(tmpdir(), "mainstay-drill-"));
  const components = join(directory, "components.yaml");
  writeFileSync(components, COMPONENTS);
  let house: PgHouse | undefined;
  try {
    house = await PgHouse.start(["--components", components]);
    const there = await turn(house, "db-2");
    const back = await turn(house, "db-1");
    const told = await house.lastDecision();
    return {
      passed: [there, back].every(({ passed, written }) => passed && written.lost === 0) && told.holds,
      lines: [there, back]
        .flatMap(({ says, written }) => [says, ...writtenLines(written)])
        .concat(told.lines),
    };
  } finally {
    await house?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
