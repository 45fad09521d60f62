import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BACKOFF_MAX, judgeWrite } from "./judge-write.js";

const answered = (status: number, retryAfter?: string) => ({ kind: "answered", status, retryAfter }) as const;

describe("a remote write", () => {
  test.each([
    [200, "taken"],
    [204, "taken"],
    [400, "refused"],
    [413, "refused"],
    [401, "again"],
    [404, "again"],
    [429, "again"],
    [500, "again"],
    [503, "again"],
  ])("answered %i is %s", (status, kind) => {
    expect(judgeWrite(answered(status), 0, 0.5).kind).toBe(kind);
  });

  test("waits as long as it is asked to, and longer with each failure, within a minute", () => {
    expect(judgeWrite(answered(429, "17"), 0, 0)).toMatchObject({ kind: "again", after: 17_000 });
    expect(judgeWrite(answered(503, "3600"), 0, 0)).toMatchObject({ after: BACKOFF_MAX });
    expect(judgeWrite({ kind: "unreachable" }, 0, 0)).toMatchObject({ after: 500 });
    fc.assert(
      fc.property(
        fc.nat(1_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, draw) => {
          const verdict = judgeWrite(answered(500, "soon"), failures, draw);
          expect(verdict.kind === "again" && verdict.after > 0 && verdict.after <= BACKOFF_MAX).toBe(true);
        },
      ),
    );
  });
});
