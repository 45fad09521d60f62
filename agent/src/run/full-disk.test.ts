import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Outbox } from "../link/outbox.js";
import { realSystem } from "../system.js";
import { FakeSystem } from "../testing/fake-system.js";
import type { VerifiedOrder } from "./command.js";
import { Journal } from "./journal.js";

/** A disk of one mebibyte, which only root can make. */
const canMount = process.getuid?.() === 0;
let disk = "";
beforeEach(() => {
  disk = mkdtempSync(join(tmpdir(), "mainstay-full-"));
  if (canMount) execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
});
afterEach(() => {
  if (canMount) execFileSync("umount", ["--lazy", disk]);
  rmSync(disk, { recursive: true, force: true });
});

function fill(): string {
  const path = join(disk, "ballast");
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(path, Buffer.alloc(bavail * bsize));
  return path;
}

const order: VerifiedOrder = {
  commandId: "c",
  nodeId: "n",
  action: "a",
  argumentsJson: `{"long":"${"x".repeat(8000)}"}`,
  mode: "run",
  generation: 1n,
  planHash: "",
  issuedAt: 0,
  expiresAt: Date.now() + 60_000,
  timeoutMs: 1000,
  outputBytesMax: 1000,
  traceparent: "",
};

describe("on a full disk", () => {
  test("an order is not begun, and the result of one that ran waits until there is room", async () => {
    if (!canMount) return expect(canMount).toBe(false);
    const said: string[] = [];
    const journal = await Journal.open(
      join(disk, "journal"),
      realSystem,
      (_level, sentence) => said.push(sentence),
      () => undefined,
    );
    await journal.begin(order, { kind: "accepted" });
    const ballast = fill();
    await expect(journal.begin({ ...order, commandId: "d" }, { kind: "accepted" })).rejects.toThrow(
      /bytes written|ENOSPC/,
    );
    expect(journal.find("d", "run")).toBeUndefined();
    const long = "y".repeat(5000);
    let isDone = false;
    const finishing = journal
      .append("c", "run", {
        kind: "finished",
        outcome: "succeeded",
        exitCode: 0,
        summary: long,
        resultJson: "",
        planHash: "",
      })
      .then(() => {
        isDone = true;
      });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isDone).toBe(false);
    expect(said).toEqual(["the journal cannot be written; trying again every second"]);
    rmSync(ballast);
    await finishing;
    await journal.close();
    const again = await Journal.open(
      join(disk, "journal"),
      realSystem,
      () => undefined,
      () => undefined,
    );
    expect(again.find("c", "run")?.events.map(({ body }) => body.kind)).toEqual(["accepted", "finished"]);
    await again.close();
  });

  test("readings are dropped and counted, said once, and taken again when there is room", () => {
    if (!canMount) return expect(canMount).toBe(false);
    const said: string[] = [];
    const { timers, draws } = new FakeSystem();
    const settings = { directory: join(disk, "outbox"), bytesMax: 4 << 20, bootId: "b" };
    const outbox = Outbox.open(settings, timers, draws.id, (_level, sentence) => said.push(sentence));
    const set = { series: Array.from({ length: 100 }, (_none, index) => ["__name__", `m${index}`]) };
    const read = (timestampMs: number): void =>
      outbox.put({ timestampMs, set, values: new Float64Array(100) });
    read(1);
    const ballast = fill();
    for (let at = 2; at <= 50; at++) read(at);
    const { droppedFrames } = outbox.figures;
    expect(droppedFrames).toBeGreaterThan(40);
    expect(said).toEqual(["the outbox cannot be written; readings are dropped"]);
    rmSync(ballast);
    read(51);
    const reader = outbox.readAfter(0n);
    const times: number[] = [];
    for (let next = reader.next(); next !== undefined; next = reader.next())
      times.push(next.frame.timestampMs);
    expect(times[0]).toBe(1);
    expect(times.at(-1)).toBe(51);
    expect(outbox.lastSequence).toBe(BigInt(times.length));
  });
});
