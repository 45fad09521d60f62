import { appendFile, mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import { HOUR, MINUTE } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import type { Clock } from "../platform/system.js";
import { KeptRequests } from "./kept-requests.js";
import { WrittenLog } from "./written-log.js";

let directory = "";
let now = 0;
const clock: Clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mainstay-log-"));
  now = Date.UTC(2026, 0, 1);
});
afterEach(() => rm(directory, { recursive: true }));

const bytes = (text: string): Uint8Array => Buffer.from(text);
async function textsOf(log: WrittenLog): Promise<string[]> {
  const texts: string[] = [];
  for await (const entry of log.read()) texts.push(Buffer.from(entry).toString());
  return texts;
}
const append = async (log: WrittenLog, text: string): Promise<void> => (await log.append(bytes(text))).done();
const only = async (): Promise<string> => join(directory, (await readdir(directory))[0] ?? "");

describe("entries", () => {
  test("are there for the next process, in their order, whether this one ended well or not", async () => {
    const log = await WrittenLog.open(directory, clock);
    for (const text of ["a", "b".repeat(3_000_000), ""]) await append(log, text);
    expect(await textsOf(await WrittenLog.open(directory, clock))).toEqual(["a", "b".repeat(3_000_000), ""]);
    await log.close();
  });

  test.each([
    {
      what: "cut off in its bytes",
      damage: async () => truncate(await only(), 8 + 3 + 8 + 1),
      left: ["one"],
    },
    { what: "cut off in its head", damage: async () => truncate(await only(), 8 + 3 + 4), left: ["one"] },
    {
      what: "followed by zeros",
      damage: async () => appendFile(await only(), Buffer.alloc(5)),
      left: ["one", "two"],
    },
    {
      what: "followed by noise",
      damage: async () => appendFile(await only(), Buffer.alloc(20, 255)),
      left: ["one", "two"],
    },
  ])("$what: the good are read", async ({ damage, left }) => {
    const log = await WrittenLog.open(directory, clock);
    await append(log, "one");
    await append(log, "two");
    await log.close();
    await damage();
    const next = await WrittenLog.open(directory, clock);
    expect(await textsOf(next)).toEqual(left);
    await append(next, "three");
    expect(await textsOf(next)).toEqual([...left, "three"]);
    await next.close();
  });
});

describe("segments", () => {
  test("go when they are durable, the current one stays", async () => {
    const log = await WrittenLog.open(directory, clock);
    await append(log, "first");
    expect(log.through).toBe(0);
    now += MINUTE;
    const waiting = await log.append(bytes("second"));
    expect(log.through).toBe(1);
    now += MINUTE;
    await append(log, "third");
    expect(log.through).toBe(1);
    waiting.done();
    waiting.done();
    expect(log.through).toBe(2);
    await log.durable(1);
    expect(await textsOf(log)).toEqual(["second", "third"]);
    await log.durable(3);
    expect(await textsOf(log)).toEqual(["third"]);
    await log.close();
  });

  test("go when their samples would be refused anyway", async () => {
    const log = await WrittenLog.open(directory, clock);
    await append(log, "old");
    now += 3 * HOUR;
    await append(log, "new");
    await log.durable(0);
    expect(await textsOf(log)).toEqual(["new"]);
    await log.close();
  });

  test("a disk that takes nothing is told as something to try again", async () => {
    const log = await WrittenLog.open(directory, clock);
    await rm(directory, { recursive: true });
    await expect(log.append(bytes("x"))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const again = await WrittenLog.open(directory, clock);
    await append(again, "y");
    await again.close();
  });
});

describe("what was kept", () => {
  test("is replayed before anything new is taken, and waits for who cannot take it yet", async () => {
    const before = await WrittenLog.open(directory, clock);
    for (const text of ["a", "bad", "b"]) await append(before, text);
    await before.close();
    const kept = new KeptRequests({ directory, clock, logger: silentLogger });
    expect(() => kept.open()).toThrow("samples that were kept are taken in first");
    const given: string[] = [];
    let away = 2;
    await kept.replay(async (request) => {
      const text = Buffer.from(request).toString();
      expect(() => kept.open()).toThrow(OpsError);
      if (text === "bad") throw new OpsError("INVALID_ARGUMENT", "damaged");
      if (away-- > 0) throw new OpsError("UNAVAILABLE", "not yet");
      given.push(text);
    }, new AbortController().signal);
    expect(given).toEqual(["a", "b"]);
    expect(kept.open().through).toBe(3 - 2);
    await kept.close();
  });
});
