/** The control plane's own disk fills: it says so, refuses what it cannot keep, loses nothing, and recovers by itself. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { longestSilence } from "../harness/readings.js";
import { Stack } from "../harness/stack.js";
import { pause, until, untilTrue } from "../harness/until.js";

const isRoot = process.getuid?.() === 0;
let stack: Stack;
let operator: Operator;
let disk = "";
/** When the first reading was there; before it there is no stretch to be whole. */
let readingSince = 0;

// A filesystem of one's own needs root; as another user this story is not told, and the run says so by its name.
describe.runIf(isRoot)("a control plane whose disk is full", () => {
  beforeAll(async () => {
    disk = mkdtempSync(join(tmpdir(), "mainstay-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=400m,mode=0755", "tmpfs", disk]);
    stack = await Stack.start({ state: join(disk, "state") });
    operator = stack.operator();
    await stack.startAgent("db-1");
    await until(
      "readings",
      async () => (await operator.metrics().query({ expr: "node_time_seconds" })).series[0],
    );
    readingSince = Date.now();
  });
  afterAll(async () => {
    await stack?.stop();
    execFileSync("umount", ["--lazy", disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  const filler = (): string => join(disk, "filler");
  /** All the room that is left; PostgreSQL may take some of it between looking and taking, so it is tried again. */
  const fillUp = (): Promise<void> =>
    until("the disk to be full", () => {
      const { bavail, bsize } = statfsSync(disk);
      execFileSync("fallocate", ["-l", String(bavail * bsize), filler()], { stdio: "pipe" });
      return true;
    }).then(() => {});

  test("refuses a change with one clear sentence, and goes on reading", async () => {
    await fillUp();
    const refusal = await until(
      "a refusal",
      async () => {
        for (let i = 0; i < 50; i++) {
          try {
            await operator.fleet().createJoinToken({ nodeName: "some-node" });
          } catch (error) {
            return error as { code: number; details: string };
          }
          // PostgreSQL writes within the space it has until that is used up.
          writeFileSync(join(disk, "more"), "", { flag: "a" });
        }
        return undefined;
      },
      60_000,
    );
    // RESOURCE_EXHAUSTED, or UNAVAILABLE while PostgreSQL restarts.
    expect([8, 14]).toContain(refusal.code);
    expect(refusal.details).toMatch(/disk is full|PostgreSQL/);
    expect((await operator.metrics().query({ expr: "node_time_seconds" })).series).toHaveLength(1);
  }, 120_000);

  test("recovers by itself when there is room, with every reading", async () => {
    const began = Date.now();
    await pause(5_000);
    rmSync(filler());
    await untilTrue(
      "changes to be taken again",
      async () => (await operator.fleet().createJoinToken({ nodeName: "after" })).token !== "",
      60_000,
    );
    expect((await operator.journal().verifyJournal({})).intact).toBe(true);
    await until("the readings of that time", async () => {
      const silence = await longestSilence(operator, "node_time_seconds", readingSince, began + 5_000);
      if (silence >= 4) throw new Error(`${silence} s without a reading`);
      return silence;
    });
  }, 120_000);
});
