import { describe, expect, test } from "vitest";
import { createBreaker, guardOf } from "./breaker.js";

const status = (code: number, message: string): Error => Object.assign(new Error(message), { code });

describe("calls to a control plane", () => {
  test.each([
    ["that nobody takes", status(14, "14 UNAVAILABLE: No connection established"), "open"],
    ["that are not answered in time", status(4, "4 DEADLINE_EXCEEDED: Deadline exceeded"), "open"],
    ["that it answers with UNAVAILABLE itself", status(14, "14 UNAVAILABLE: no replica leads now"), "closed"],
    ["that it denies", status(7, "7 PERMISSION_DENIED: no"), "closed"],
    ["whose caller goes away", status(1, "1 CANCELLED: gone"), "closed"],
  ])("%s five times", async (_, error, state) => {
    const breaker = createBreaker("here:1", () => 0);
    const guard = guardOf(breaker);
    for (let i = 0; i < 5; i++) await expect(guard(() => Promise.reject(error))).rejects.toBe(error);
    expect(breaker.figures.state.kind).toBe(state);
    if (state === "open")
      await expect(guard(async () => 1)).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining("the control plane at here:1 is not called for another 60 s"),
      });
  });
});
