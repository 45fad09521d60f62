import { describe, expect, test } from "vitest";
import { DAY, HOUR } from "../../kernel/time.js";
import { ATTEMPTS_MAX, answerOf, deliverAgain, readRetryAfter } from "./deliver-again.js";

describe("after an attempt", () => {
  test("pauses grow, are spread, and are never shorter than asked for", () => {
    const failed = { kind: "failed" as const, answer: "HTTP 503" };
    const after = (attempts: number, fraction: number, retryAfter?: number) => {
      const next = deliverAgain(
        retryAfter === undefined ? failed : { ...failed, retryAfter },
        attempts,
        fraction,
      );
      return next.kind === "again" ? next.after : next.kind;
    };
    expect([after(1, 0.5), after(3, 0.5), after(8, 0.999), after(8, 0)]).toEqual([500, 2_000, 119_880, 250]);
    expect(after(1, 0, 20_000)).toBe(20_000);
    expect(after(1, 0.5, 10 * DAY)).toBe(HOUR + 500);
    expect(after(ATTEMPTS_MAX, 0)).toBe("give-up");
  });

  test.each([
    [200, "delivered"],
    [204, "delivered"],
    [302, "refused"],
    [400, "refused"],
    [408, "refused"],
    [429, "failed"],
    [500, "failed"],
    [599, "failed"],
  ])("%d is %s", (status, kind) => {
    expect(answerOf(status, "", undefined, 0).kind).toBe(kind);
  });

  test.each([
    ["120", 120_000],
    ["Sun, 22 Nov 2026 14:00:30 GMT", 30_000],
    ["Sun, 22 Nov 2026 13:00:00 GMT", 0],
    ["soon", undefined],
    ["-5", undefined],
  ])("Retry-After: %s", (text, pause) => {
    expect(readRetryAfter(text, Date.parse("2026-11-22T14:00:00Z"))).toBe(pause);
  });
});
