/** PostgreSQL is killed while its agent lives: it starts again in place, and nobody takes over. */
import { PgHouse, writtenLines } from "./pg-house.js";
import type { DrillReport } from "./report.js";

async function drill(house: PgHouse): Promise<DrillReport> {
  const before = await house.lastDecision();
  const written = await house.whileWriting(async () => {
    process.kill(house.pair.postmaster("db-1"), "SIGKILL");
  }, "db-1");
  await house.settled("db-1", "db-2");
  const told = await house.lastDecision();
  const { decisions } = await house.operator.recovery().listDecisions({ cluster: "main" });
  const changed = decisions.slice(0, told.count - before.count).filter(({ kind }) => kind === "failover");
  return {
    passed: written.lost === 0 && changed.length === 0 && told.holds,
    lines: [
      "the primary's postmaster was killed; its agent was not",
      ...writtenLines(written),
      changed.length === 0 ? "nobody took over, as it should be" : "another took over, which it should not",
    ],
  };
}

export async function pgProcessCrash(): Promise<DrillReport> {
  const house = await PgHouse.start();
  try {
    return await drill(house);
  } finally {
    await house.stop();
  }
}
