import { expect, test } from "vitest";
import { Beat } from "./beat.js";
import { settled, TurnedClock } from "./testing/turned-clock.js";

function beating(work: (timestampMs: number) => void | Promise<void>) {
  const clock = new TurnedClock(1_000_000);
  const late: number[] = [];
  const failures: unknown[] = [];
  const beat = new Beat(15_000, clock, work, {
    late: (missed) => late.push(missed),
    failed: (error) => failures.push(error),
  });
  return { clock, beat, late, failures };
}

test("it reads at the start and then on a grid that does not drift with the time a reading takes", async () => {
  const times: number[] = [];
  const { clock, beat, late } = beating((timestampMs) => {
    times.push(timestampMs);
    clock.sleepThrough(7);
  });
  beat.start();
  await clock.turn(60_000);
  expect(times).toEqual([1_000_000, 1_015_000, 1_030_000, 1_045_000, 1_060_000]);
  expect(late).toEqual([]);
});

test.each([
  { when: "10 ms beside its beat", beside: 10, dated: 1_015_000 },
  { when: "10 ms before its beat", beside: -10, dated: 1_015_000 },
  { when: "11 ms beside its beat", beside: 11, dated: 1_015_011 },
  { when: "an hour back, because the clock was set", beside: -3_600_000, dated: -2_585_000 },
])("a reading $when is dated $dated", async ({ beside, dated }) => {
  const times: number[] = [];
  const { clock, beat } = beating((timestampMs) => void times.push(timestampMs));
  beat.start();
  await clock.turn(1_000);
  clock.setWall(beside);
  await clock.turn(14_500);
  expect(times).toEqual([1_000_000, dated]);
});

test("a reading that is still going on is never joined by a second; the beats it covers are counted", async () => {
  let end = (): void => {};
  let started = 0;
  const { clock, beat, late } = beating(() => {
    started++;
    return new Promise<void>((resolve) => {
      end = resolve;
    });
  });
  beat.start();
  await clock.turn(40_000);
  expect({ started, late }).toEqual({ started: 1, late: [1, 1] });
  end();
  await clock.turn(5_000);
  expect({ started, late }).toEqual({ started: 2, late: [1, 1] });
});

test("beats that a machine slept through are counted and not made up for", async () => {
  let readings = 0;
  const { clock, beat, late } = beating(() => void readings++);
  beat.start();
  await clock.turn(1_000);
  clock.sleepThrough(100_000);
  await clock.turn(0);
  expect({ readings, late }).toEqual({ readings: 2, late: [5] });
  // Due again on the old grid: at 105 s.
  await clock.turn(3_999);
  expect(readings).toBe(2);
  await clock.turn(1);
  expect(readings).toBe(3);
});

test("work that throws, at once or later, is told and does not end the beat", async () => {
  let turn = 0;
  const { clock, beat, failures } = beating(() => {
    turn++;
    if (turn === 1) throw new Error("at once");
    return Promise.reject(new Error("later"));
  });
  beat.start();
  await clock.turn(30_000);
  expect(turn).toBe(3);
  expect(failures.map(String)).toEqual(["Error: at once", "Error: later", "Error: later"]);
});

test("stopping waits for the reading in flight, and none begins after it", async () => {
  let end = (): void => {};
  let started = 0;
  const { clock, beat } = beating(() => {
    started++;
    return new Promise<void>((resolve) => {
      end = resolve;
    });
  });
  beat.start();
  await clock.turn(1);
  let stopped = false;
  const stopping = beat.stop().then(() => {
    stopped = true;
  });
  await settled();
  expect(stopped).toBe(false);
  end();
  await stopping;
  await clock.turn(60_000);
  expect(started).toBe(1);
});
