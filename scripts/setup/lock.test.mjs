import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ownerIn, takeLock } from "./lock.mjs";
import { identityOf, startTicksOf, stillRuns } from "./process-identity.mjs";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mainstay-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function aProcessThatEnded() {
  const child = spawn(process.execPath, ["-e", ""]);
  const identity = identityOf(child.pid ?? 0);
  await once(child, "close");
  return identity;
}

describe("a lock", () => {
  test("is busy while its owner runs, and names the owner", () => {
    const path = join(folder, "state", "lock");
    expect(takeLock(path).kind).toBe("held");
    expect(takeLock(path)).toMatchObject({ kind: "busy", owner: { pid: process.pid } });
  });

  test("is free again once released, and leaves no file behind", () => {
    const path = join(folder, "lock");
    const first = takeLock(path);
    if (first.kind === "held") first.release();
    expect(readdirSync(folder)).toEqual([]);
    expect(takeLock(path).kind).toBe("held");
  });

  test("of a dead owner is taken over, and says from whom", async () => {
    const path = join(folder, "lock");
    const dead = await aProcessThatEnded();
    takeLock(path, dead);
    expect(takeLock(path)).toMatchObject({ kind: "held", takenOverFrom: { pid: dead.pid } });
    expect(readdirSync(folder)).toEqual(["lock"]);
  });

  test("of a process whose number another has now is taken over", () => {
    const path = join(folder, "lock");
    takeLock(path, { ...identityOf(process.pid), startTicks: "1" });
    expect(takeLock(path).kind).toBe("held");
  });

  test.each(["", "{", "null", '{"pid":"1"}', '{"pid":-4}'])("that holds %j belongs to nobody", (text) => {
    const path = join(folder, "lock");
    writeFileSync(path, text);
    expect(ownerIn(text)).toBeUndefined();
    expect(takeLock(path).kind).toBe("held");
  });

  test("taken over by someone else is not removed by the release of the first", () => {
    const path = join(folder, "lock");
    const first = takeLock(path);
    writeFileSync(path, JSON.stringify({ ...identityOf(process.pid), nonce: "another" }));
    if (first.kind === "held") first.release();
    expect(existsSync(path)).toBe(true);
  });
});

describe("a process", () => {
  test("that runs, runs; one that ended does not", async () => {
    expect(stillRuns(identityOf(process.pid))).toBe(true);
    expect(stillRuns(await aProcessThatEnded())).toBe(false);
  });

  test("is told by its start even when its name holds brackets and spaces", () => {
    const fields = Array.from({ length: 50 }, (_, index) => String(index + 3));
    expect(startTicksOf(`77 (a) b (c) ${fields.join(" ")}`)).toBe("22");
  });
});
