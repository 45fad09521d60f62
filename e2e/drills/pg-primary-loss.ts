/**
 * A primary is lost while a client writes markers: how long nothing was acknowledged, and which acknowledged markers are
 * missing on the new primary. Beside it, what the decision log measured of the same.
 */
import { LEASE_MS } from "../harness/postgres-pair.js";
import { PgHouse, writtenLines } from "./pg-house.js";
import type { DrillReport } from "./report.js";

async function drill(house: PgHouse): Promise<DrillReport> {
  const written = await house.whileWriting(() => house.pair.lose("db-1"), "db-2");
  const returned = performance.now();
  house.stack.restartAgent("db-1");
  await house.settled("db-2", "db-1");
  const redundantMs = Math.round(performance.now() - returned);
  const told = await house.lastDecision();
  return {
    passed: written.lost === 0 && told.holds,
    lines: [
      `synchronous, lease ${LEASE_MS} ms; the primary's agent was killed, and PostgreSQL with it`,
      ...writtenLines(written),
      `redundant again ${redundantMs} ms after the old primary's agent was started`,
      ...told.lines,
    ],
  };
}

/** Starts a house of its own, and takes it down again. */
export async function pgPrimaryLoss(): Promise<DrillReport> {
  const house = await PgHouse.start();
  try {
    return await drill(house);
  } finally {
    await house.stop();
  }
}
