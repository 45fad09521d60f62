import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { endLeftovers, markName, processesMarked } from "./processes.mjs";

test("a process that made itself independent is found by its mark and ended", async () => {
  const mark = `test-${process.pid}`;
  // The one in the middle ends at once: what it started belongs to nobody then.
  const middle = spawn("sh", ["-c", "sleep 300 >/dev/null 2>&1 & echo started"], {
    env: { ...process.env, [markName]: mark },
  });
  await once(middle, "close");
  expect(processesMarked(mark).map(({ command }) => command)).toEqual(["sleep 300"]);
  expect(endLeftovers(mark)).toEqual(["sleep 300"]);
  await expect.poll(() => processesMarked(mark)).toEqual([]);
});
