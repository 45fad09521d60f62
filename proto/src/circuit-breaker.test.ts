import { describe, expect, test } from "vitest";
import { BreakerOpen, Breakers, CircuitBreaker } from "./circuit-breaker.js";

/** A breaker on a clock turned by hand. */
function made() {
  let now = 0;
  const kinds: string[] = [];
  const breaker = new CircuitBreaker(
    "service",
    () => now,
    {},
    ({ state }) => kinds.push(state.kind),
  );
  const call = async (what: "S" | "F"): Promise<string> => {
    try {
      return await breaker.run(async () => {
        if (what === "F") throw new Error("no answer");
        return "done";
      });
    } catch (error) {
      return error instanceof BreakerOpen ? "refused" : "failed";
    }
  };
  /** Calls in turn; a number is ms that pass. What each call came to. */
  const play = async (...moves: readonly ("S" | "F" | number)[]): Promise<readonly string[]> => {
    const outcomes: string[] = [];
    for (const move of moves)
      if (typeof move === "number") now += move;
      else outcomes.push(await call(move));
    return outcomes;
  };
  return { breaker, play, kinds, kind: () => breaker.figures.state.kind };
}
const times = <T>(count: number, what: T): readonly T[] => Array.from({ length: count }, () => what);

describe("a circuit breaker", () => {
  test("stays closed after four failures, opens at the fifth", async () => {
    const { play, kind } = made();
    await play(...times(4, "F" as const));
    expect(kind()).toBe("closed");
    await play("F");
    expect(kind()).toBe("open");
  });

  test("counts failures in a row: a success between them starts anew", async () => {
    const { play, kind } = made();
    await play(...times(4, "F" as const), "S", ...times(4, "F" as const));
    expect(kind()).toBe("closed");
  });

  test("refuses for a minute, and no shorter; then lets one through", async () => {
    const { play, kind } = made();
    expect((await play(...times(5, "F" as const), 59_900, "S")).at(-1)).toBe("refused");
    expect(kind()).toBe("open");
    expect(await play(100, "S")).toEqual(["done"]);
    expect(kind()).toBe("half-open");
  });

  test("closes after five successes, and not after four", async () => {
    const { play, kind } = made();
    await play(...times(5, "F" as const), 60_000, ...times(4, "S" as const));
    expect(kind()).toBe("half-open");
    await play("S");
    expect(kind()).toBe("closed");
  });

  test("opens again at the first failure while it is tried, after four successes too, for another minute", async () => {
    const { play, kind } = made();
    await play(...times(5, "F" as const), 60_000, "S", "S", "S", "S", "F");
    expect(kind()).toBe("open");
    expect(await play(59_999, "S", 1, "S")).toEqual(["refused", "done"]);
  });

  test("lets one call at a time try, and the next when that one has ended", async () => {
    const { breaker, play } = made();
    await play(...times(5, "F" as const), 60_000);
    let end: () => void = () => {};
    const first = breaker.run(() => new Promise<void>((resolve) => (end = resolve)));
    await expect(breaker.run(async () => "too soon")).rejects.toThrow("is being tried by another call");
    end();
    await first;
    expect(await play("S")).toEqual(["done"]);
  });

  test("is free again when who tried went away", async () => {
    const { breaker, play, kind } = made();
    await play(...times(5, "F" as const), 60_000);
    await breaker.run(
      async () => "gone",
      () => "nothing",
    );
    expect(kind()).toBe("half-open");
    expect(await play(...times(5, "S" as const))).toEqual(times(5, "done"));
    expect(kind()).toBe("closed");
  });

  test("does not heed calls that began before it opened", async () => {
    const { breaker, play, kind } = made();
    const ends: (() => void)[] = [];
    const late = Array.from({ length: 5 }, () =>
      breaker.run(() => new Promise<void>((resolve) => ends.push(resolve))),
    );
    await play(...times(5, "F" as const));
    for (const end of ends) end();
    await Promise.all(late);
    expect(kind()).toBe("open");
  });

  test("tripped by hand it stays open whatever time passes, until it is reset by hand", async () => {
    const { breaker, play, kinds } = made();
    breaker.trip("maintenance");
    expect(await play(10_000_000, "S")).toEqual(["refused"]);
    await expect(breaker.run(async () => 1)).rejects.toThrow(
      "service is not called until it is reset: maintenance",
    );
    breaker.reset();
    expect(await play("S")).toEqual(["done"]);
    expect([kinds, breaker.figures.refused]).toEqual([["open", "closed"], 2]);
  });
});

test("breakers are kept by name, and are bounded", () => {
  const breakers = new Breakers((name) => new CircuitBreaker(name, () => 0));
  const tripped = breakers.of("tripped");
  tripped.trip("by hand");
  for (let i = 0; i < 2_000; i++) breakers.of(`service-${i}`);
  expect(breakers.of("tripped")).toBe(tripped);
  expect(breakers.list().length).toBeLessThanOrEqual(501);
});
