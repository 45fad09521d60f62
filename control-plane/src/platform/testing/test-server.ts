/** Global set-up of the PostgreSQL tests: the embedded server, started once for the whole run and stopped at its end. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../logger.js";
import { startEmbedded } from "../postgres/embedded.js";
import { systemClock } from "../system.js";

export default async function setup(): Promise<() => Promise<void>> {
  if (process.env["TEST_DATABASE_URL"] !== undefined) return async () => {};
  const directory = await mkdtemp(join(tmpdir(), "mainstay-pg-"));
  const isRoot = process.getuid?.() === 0;
  const embedded = await startEmbedded({ directory, clock: systemClock, logger: silentLogger, isRoot });
  process.env["TEST_DATABASE_URL"] = embedded.url;
  return async () => {
    await embedded.stop();
    delete process.env["TEST_DATABASE_URL"];
    await rm(directory, { recursive: true, force: true });
  };
}
