import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { isStale, markStale, type SeriesSet } from "../collect/reading.js";
import { FakeSystem } from "../testing/fake-system.js";
import { Announcer } from "./announcer.js";
import { Outbox } from "./outbox.js";
import type { OutgoingFrame } from "./outbox-reader.js";

const home = mkdtempSync(join(tmpdir(), "mainstay-outbox-"));
afterAll(() => rmSync(home, { recursive: true }));
let directories = 0;
const newDirectory = (): string => join(home, `o${++directories}`);

const setOf = (size: number, prefix = "m"): SeriesSet => ({
  series: Array.from({ length: size }, (_none, index) => [
    "__name__",
    `${prefix}_${index}`,
    "instance",
    "host",
  ]),
});
const small = setOf(3);

function open(
  directory: string,
  more: { bytesMax?: number; bootId?: string; system?: FakeSystem } = {},
): Outbox {
  const { timers, draws } = more.system ?? new FakeSystem();
  const settings = { directory, bytesMax: more.bytesMax ?? 4 << 20, bootId: more.bootId ?? "boot-1" };
  return Outbox.open(settings, timers, draws.id, () => undefined);
}

function put(outbox: Outbox, timestampMs: number, set = small): void {
  outbox.put({
    timestampMs,
    set,
    values: Float64Array.from(set.series, (_labels, index) => timestampMs + index),
  });
}

function all(outbox: Outbox, after = 0n): OutgoingFrame[] {
  const reader = outbox.readAfter(after);
  const frames: OutgoingFrame[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  return frames;
}

const sequences = (frames: readonly OutgoingFrame[]): number[] =>
  frames.map(({ frame }) => Number(frame.sequence));

function newestSegment(directory: string): string {
  return join(
    directory,
    readdirSync(directory)
      .filter((name) => name.endsWith(".seg"))
      .sort()
      .at(-1) ?? "",
  );
}

describe("the outbox", () => {
  test("gives back what was put in, bit for bit, with its names", () => {
    const outbox = open(newDirectory());
    const values = Float64Array.of(1.5, Number.NaN, -0);
    markStale(values, 1);
    outbox.put({ timestampMs: 123, set: small, values });
    const [only] = all(outbox);
    expect(only?.set.series).toEqual(small.series);
    const bytes = Uint8Array.from(only?.frame.values ?? []);
    const back = new Float64Array(bytes.buffer);
    expect(isStale(back, 1)).toBe(true);
    expect(Object.is(back[2], -0)).toBe(true);
    expect(only?.frame).toMatchObject({ sequence: 1n, timestampMs: 123 });
  });

  test("goes on after a crash with the next sequence under the same name, and after a clean stop too", async () => {
    const directory = newDirectory();
    const first = open(directory);
    put(first, 1);
    put(first, 2);
    const second = open(directory);
    expect(second.id).toBe(first.id);
    put(second, 3);
    expect(sequences(all(second))).toEqual([1, 2, 3]);
    await second.close();
    const third = open(directory, { bootId: "boot-2" });
    expect(third.id).toBe(first.id);
    expect(third.lastSequence).toBe(3n);
  });

  test("after a loss of power it takes a new name: its newest frames may be gone", () => {
    const directory = newDirectory();
    const system = new FakeSystem();
    const first = open(directory, { system });
    put(first, 1);
    const second = open(directory, { bootId: "boot-2", system });
    expect(second.id).not.toBe(first.id);
    put(second, 2);
    expect(sequences(all(second))).toEqual([1, 2]);
    expect(open(directory, { bootId: "boot-2", system }).id).toBe(second.id);
  });

  test("wherever the file is torn, what stands before is whole and what comes after is not lost", () => {
    const whole = newDirectory();
    const outbox = open(whole);
    for (let at = 1; at <= 20; at++) put(outbox, at);
    const size = statSync(newestSegment(whole)).size;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: size }), fc.uint8Array({ maxLength: 40 }), (length, garbage) => {
        const directory = newDirectory();
        const torn = open(directory);
        for (let at = 1; at <= 20; at++) put(torn, at);
        truncateSync(newestSegment(directory), length);
        appendFileSync(newestSegment(directory), garbage);
        const again = open(directory);
        const before = sequences(all(again));
        expect(before).toEqual(before.map((_sequence, index) => index + 1));
        put(again, 99);
        const after = all(again);
        expect(after.length).toBe(before.length + 1);
        expect(after.at(-1)?.frame.timestampMs).toBe(99);
        rmSync(directory, { recursive: true });
      }),
      { numRuns: 60 },
    );
  });

  test("stays within its bound: the oldest frames go first, each is counted, the rest is in order", () => {
    const directory = newDirectory();
    const outbox = open(directory, { bytesMax: 4 << 20 });
    const large = setOf(500, "large");
    for (let at = 1; at <= 3000; at++) put(outbox, at, large);
    const bytes = readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(4 << 20);
    const kept = sequences(all(outbox));
    expect(kept.at(-1)).toBe(3000);
    expect(kept).toEqual(kept.map((_sequence, index) => (kept[0] ?? 0) + index));
    expect(outbox.figures.droppedFrames).toBe((kept[0] ?? 0) - 1);
    expect(outbox.figures.frames).toBe(kept.length);
  });

  test("the smallest one holds an hour of 500 series", () => {
    const outbox = open(newDirectory(), { bytesMax: 4 << 20 });
    const large = setOf(500, "node_filesystem_avail_bytes_of_some_length");
    for (let at = 1; at <= 240; at++) put(outbox, at, large);
    expect(outbox.figures).toMatchObject({ frames: 240, droppedFrames: 0 });
  });

  test("what is acknowledged is forgotten by whole files, and a reader goes on undisturbed", () => {
    const directory = newDirectory();
    const outbox = open(directory);
    const large = setOf(500, "large");
    for (let at = 1; at <= 400; at++) put(outbox, at, large);
    const reader = outbox.readAfter(0n);
    for (let count = 0; count < 300; count++) reader.next();
    const files = readdirSync(directory).length;
    outbox.acknowledge(300n);
    expect(readdirSync(directory).length).toBeLessThan(files);
    expect(reader.next()?.frame.sequence).toBe(301n);
    expect(outbox.figures.frames).toBe(100);
    outbox.acknowledge(1_000_000n);
    expect(outbox.figures.frames).toBe(0);
    put(outbox, 401, large);
    expect(outbox.lastSequence).toBe(401n);
  });

  test("a reader whose file gave way goes on with the oldest frame that is left", () => {
    const outbox = open(newDirectory(), { bytesMax: 4 << 20 });
    const large = setOf(500, "large");
    for (let at = 1; at <= 10; at++) put(outbox, at, large);
    const reader = outbox.readAfter(0n);
    expect(reader.next()?.frame.sequence).toBe(1n);
    for (let at = 11; at <= 3000; at++) put(outbox, at, large);
    const next = Number(reader.next()?.frame.sequence);
    expect(next).toBe(outbox.figures.droppedFrames + 1);
    expect(reader.next()?.frame.sequence).toBe(BigInt(next + 1));
  });

  test("resumes after any sequence", () => {
    const outbox = open(newDirectory());
    for (let at = 1; at <= 10; at++) put(outbox, at, at % 2 === 0 ? small : setOf(2, "other"));
    expect(sequences(all(outbox, 7n))).toEqual([8, 9, 10]);
    expect(all(outbox, 9n)[0]?.set.series).toEqual(small.series);
    expect(all(outbox, 10n)).toEqual([]);
  });
});

describe("announcing", () => {
  const named = (id: string, ...names: string[]) => ({ id, series: names.map((name) => ["__name__", name]) });

  test("each series once, each layout once, refs by label sets and not by place", () => {
    const announcer = new Announcer();
    const first = announcer.announce(named("s1", "a", "b"));
    expect(first).toMatchObject({ layoutId: 1, refs: [1, 2] });
    expect(first.series.map(({ ref }) => ref)).toEqual([1, 2]);
    expect(announcer.announce(named("s1", "a", "b"))).toEqual({ layoutId: 1, series: [], refs: undefined });
    const second = announcer.announce(named("s2", "c", "b"));
    expect(second).toMatchObject({ layoutId: 2, refs: [3, 2] });
    expect(second.series).toHaveLength(1);
  });
});
