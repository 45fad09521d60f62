/** Ending the processes that let commits go by a list of synchronous standbys which is no longer the right one. */
import type { Asks } from "./connection.js";
import { GATE_NAME } from "./gate-name.js";

/** Their replicas connect again at once. Throws when one has not ended in time; the gate's own list is never another. */
export async function endSenders(asks: Asks): Promise<void> {
  const rows = await asks(
    `select pg_terminate_backend(pid, 3000) as ended from pg_stat_replication
     where sync_priority > 0 and application_name <> $1`,
    [GATE_NAME],
  );
  if (!rows.every((row) => row["ended"] === true)) throw new Error("a sender of the log has not ended");
}
