import { describe, expect, test } from "vitest";
import { OrderClock } from "./order-clock.js";

const MINUTE = 60_000;

describe("the control plane's time on a host", () => {
  test.each<{ when: string; offset: number; before: [number, number]; after: [number, number]; now: number }>(
    [
      { when: "the clocks agree", offset: 0, before: [1_000, 0], after: [1_500, 500], now: 1_500 },
      { when: "the host is late", offset: 300, before: [1_000, 0], after: [1_500, 500], now: 1_800 },
      { when: "the host's clock is set back", offset: 0, before: [9_000, 0], after: [100, 500], now: 9_500 },
      { when: "it is set forward", offset: 0, before: [1_000, 0], after: [90_000, 500], now: 90_000 },
      {
        when: "the host was suspended, for which the monotonic clock stood still",
        ...{ offset: 0, before: [1_000, 0], after: [7_001_000, 10], now: 7_001_000 },
      },
      {
        when: "the other side says that it is much earlier",
        ...{ offset: -60 * MINUTE, before: [90 * MINUTE, 0], after: [90 * MINUTE, 0], now: 75 * MINUTE },
      },
      {
        when: "a clock that was far off is put right: nothing holds on to what it said",
        ...{ offset: -60 * MINUTE, before: [90 * MINUTE, 0], after: [30 * MINUTE, 10], now: 15 * MINUTE },
      },
    ],
  )("$when", ({ offset, before, after, now }) => {
    let [wall, monotonic] = before;
    const clock = new OrderClock({ now: () => wall, monotonic: () => monotonic }, () => offset);
    clock.now();
    [wall, monotonic] = after;
    expect(clock.now()).toBe(now);
  });

  test("a clock that is set back by far does not make an old order young, whatever a new stream tells", () => {
    let [wall, monotonic, offset] = [100 * MINUTE, 0, 0];
    const clock = new OrderClock({ now: () => wall, monotonic: () => monotonic }, () => offset);
    expect(clock.now()).toBe(100 * MINUTE);
    [wall, monotonic, offset] = [41 * MINUTE, MINUTE, 60 * MINUTE];
    expect(clock.now()).toBe(101 * MINUTE);
    // Put right again, the new stream's word is all that counts.
    [wall, monotonic, offset] = [102 * MINUTE, 2 * MINUTE, -50];
    expect(clock.now()).toBe(102 * MINUTE - 50);
  });

  test("a new stream's offset counts from when it came", () => {
    let [wall, offset] = [100_000, 0];
    const clock = new OrderClock({ now: () => wall, monotonic: () => 0 }, () => offset);
    expect(clock.now()).toBe(100_000);
    wall = 50_000;
    offset = 50_000;
    expect(clock.now()).toBe(100_000);
    offset = 40_000;
    expect(clock.now()).toBe(90_000);
  });
});
