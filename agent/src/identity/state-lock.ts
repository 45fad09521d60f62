/** One agent on one state directory: two would give out the same sequences and answer for each other. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { findProcess } from "../process-identity.js";

/** The lock, or who has it. */
export type Locked =
  | { readonly kind: "locked"; readonly release: () => void }
  | { readonly kind: "taken"; readonly byPid: number };

/** Takes the lock. One whose owner is dead (or whose number is somebody else's by now) is taken over. */
export async function lockState(path: string, pid: number): Promise<Locked> {
  const self = await findProcess(pid);
  for (let tries = 0; tries < 3; tries++) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeSync(file, `${pid} ${self?.startTicks ?? 0}\n`);
      closeSync(file);
      return { kind: "locked", release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const [ownerPid = 0, ownerStart = 0] = readFileSync(path, "utf8").trim().split(" ").map(Number);
    const owner = ownerPid > 0 && ownerPid !== pid ? await findProcess(ownerPid) : undefined;
    if (owner !== undefined && owner.startTicks === ownerStart) return { kind: "taken", byPid: ownerPid };
    rmSync(path, { force: true });
  }
  return { kind: "taken", byPid: 0 };
}
