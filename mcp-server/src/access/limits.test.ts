import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Limits } from "./limits.js";
import { scopeOfTool } from "./scopes.js";
import { SwitchWatch } from "./switch.js";

let now = 0;
const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };

describe("limits", () => {
  test("a burst passes, then it is said when to come back, and then it passes", () => {
    const limits = new Limits({ costPerMinute: 60, atOnce: 100 }, clock);
    for (let i = 0; i < 20; i++) expect(limits.admit("vera", 1).kind).toBe("admitted");
    const refused = limits.admit("vera", 1);
    expect(refused).toMatchObject({ kind: "refused", retryAfterMs: 1_000 });
    expect(limits.admit("otto", 1).kind).toBe("admitted");
    now += refused.kind === "refused" ? refused.retryAfterMs : 0;
    expect(limits.admit("vera", 1).kind).toBe("admitted");
    expect(limits.admit("vera", 1).kind).toBe("refused");
  });

  test("what costs more than a full bucket passes when it is full", () => {
    const limits = new Limits({ costPerMinute: 3, atOnce: 1 }, clock);
    const first = limits.admit("vera", 10);
    expect(first.kind).toBe("admitted");
    if (first.kind === "admitted") first.release();
    expect(limits.admit("vera", 10).kind).toBe("refused");
  });

  test("calls at once are counted until they have ended, each once", () => {
    const limits = new Limits({ costPerMinute: 1e6, atOnce: 2 }, clock);
    const first = limits.admit("vera", 1);
    limits.admit("vera", 1);
    expect(limits.admit("vera", 1)).toMatchObject({ kind: "refused", retryAfterMs: 1_000 });
    if (first.kind !== "admitted") throw new Error("refused");
    first.release();
    first.release();
    expect(limits.admit("vera", 1).kind).toBe("admitted");
    expect(limits.admit("vera", 1).kind).toBe("refused");
  });

  test("nobody spends more than the rate and one burst, however the calls come", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(5_000), fc.constantFrom(1, 5, 10)), { maxLength: 300 }),
        (calls) => {
          now = 0;
          const limits = new Limits({ costPerMinute: 120, atOnce: 1_000 }, clock);
          let spent = 0;
          for (const [wait, cost] of calls) {
            now += wait;
            if (limits.admit("vera", cost).kind === "admitted") spent += cost;
          }
          expect(spent).toBeLessThanOrEqual(40 + (now / 60_000) * 120 + 1e-6);
        },
      ),
    );
  });

  test("ten thousand strangers do not push out who has calls under way", () => {
    const limits = new Limits({ costPerMinute: 1e6, atOnce: 1 }, clock);
    limits.admit("vera", 1);
    for (let i = 0; i < 10_001; i++) {
      const stranger = limits.admit(`stranger-${i}`, 1);
      if (stranger.kind === "admitted") stranger.release();
    }
    expect(limits.admit("vera", 1).kind).toBe("refused");
  });
});

test.each([
  ["nodes_list", "read", "mainstay:read"],
  ["change_plan", "write", "mainstay:plan"],
  ["change_apply", "write", "mainstay:apply"],
  ["a tool made tomorrow", "write", "mainstay:plan"],
] as const)("%s (%s) needs %s", (name, effect, scope) => {
  expect(scopeOfTool({ name, effect })).toBe(scope);
});

describe("the switch", () => {
  const state = (is: "on" | "read-only" | "off") => async () => ({
    state: is,
    because: "a drill",
    setBy: "ada",
  });
  test.each([
    ["on", "write", true],
    ["read-only", "read", true],
    ["read-only", "write", false],
    ["off", "read", false],
  ] as const)("%s lets a %s: %s", async (is, effect, lets) => {
    const checked = new SwitchWatch(clock).check(effect, state(is));
    if (lets) await checked;
    else await expect(checked).rejects.toThrow("switched off by ada: a drill");
  });

  test("is asked once a second at most, and stands as it stood while nobody answers", async () => {
    const watch = new SwitchWatch(clock);
    let asked = 0;
    const ask = async () => {
      asked += 1;
      return { state: "off", because: "b", setBy: "s" } as const;
    };
    const all = await Promise.allSettled(Array.from({ length: 9 }, () => watch.check("read", ask)));
    expect(all.every(({ status }) => status === "rejected")).toBe(true);
    expect(asked).toBe(1);
    now += 1_000;
    const away = async () => {
      throw new Error("away");
    };
    await expect(watch.check("read", away)).rejects.toThrow("switched off");
  });
});
