import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { replicasForLoad } from "./scale-for-load.js";

const pool = { perReplica: 500, min: 2, max: 20 };
const asked = (load: number, running: number) => replicasForLoad({ ...pool, load, running }).replicas;

describe("how many run under a load", () => {
  test.each([
    { load: 0, running: 2, replicas: 2 },
    { load: 1_000, running: 2, replicas: 2 },
    { load: 1_001, running: 2, replicas: 3 },
    { load: 5_001, running: 2, replicas: 11 },
    { load: 8_000, running: 10, replicas: 16 },
    { load: 10_000, running: 10, replicas: 20 },
    { load: 20_000, running: 10, replicas: 20 },
    // Down by one at a time, and only when one fewer would bear it with room.
    { load: 1_000, running: 10, replicas: 9 },
    { load: 4_400, running: 10, replicas: 10 },
    { load: 3_600, running: 10, replicas: 9 },
    { load: 0, running: 3, replicas: 2 },
    // Outside what is declared.
    { load: 0, running: 1, replicas: 2 },
    { load: 20_000, running: 30, replicas: 20 },
  ])("$load with $running running: $replicas", ({ load, running, replicas }) => {
    expect(asked(load, running)).toBe(replicas);
  });

  test("it stays within the bounds, bears what it can, and settles under a load that stays", () => {
    fc.assert(
      fc.property(fc.nat({ max: 100_000 }), fc.integer({ min: 0, max: 40 }), (load, running) => {
        const next = asked(load, running);
        expect(next).toBeLessThanOrEqual(pool.max);
        if (running >= pool.min) expect(next).toBeGreaterThanOrEqual(pool.min);
        if (load <= pool.max * pool.perReplica) expect(next * pool.perReplica).toBeGreaterThanOrEqual(load);
        let now = next;
        for (let step = 0; step < 50; step++) now = asked(load, now);
        expect(asked(load, now)).toBe(now);
      }),
    );
  });

  test("it says why", () => {
    expect(replicasForLoad({ ...pool, load: 20_000, running: 10 }).because).toBe(
      "20000 needs 40 at 500 each, 10 run; 20 is the most that is declared",
    );
  });
});
