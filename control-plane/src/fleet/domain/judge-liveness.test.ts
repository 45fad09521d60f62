import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../kernel/time.js";
import { judgeLiveness, LATE_AFTER, type LivenessFacts, LOST_AFTER } from "./judge-liveness.js";

const T = 1_700_000_000_000;
const heard: LivenessFacts = {
  revokedAt: undefined,
  revokedBecause: "",
  heardAt: T,
  excusedUntil: undefined,
  certificateExpiresAt: T + 24 * 60 * MINUTE,
  streamEnded: undefined,
};

describe("judgeLiveness", () => {
  test.each([
    { when: "it was heard just now", facts: {}, at: 0, is: "live", because: "heard within two heartbeats" },
    { when: "two heartbeats have just passed", facts: {}, at: 10_000, is: "live" },
    {
      when: "two heartbeats have passed by 1 ms",
      facts: {},
      at: 10_001,
      is: "late",
      because: "not heard for 10s",
    },
    { when: "it is 1 ms before 14 s", facts: {}, at: 13_999, is: "late", because: "not heard for 13s" },
    { when: "14 s have passed", facts: {}, at: 14_000, is: "lost", because: "not heard for 14s" },
    { when: "it never connected", facts: { heardAt: undefined }, at: 0, is: "never-seen" },
    { when: "the clock went back", facts: {}, at: -60_000, is: "live" },
    {
      when: "it was revoked, though just heard",
      facts: { revokedAt: T, revokedBecause: "host was sold" },
      at: 3_000,
      is: "revoked",
      because: "revoked 3s ago: host was sold",
    },
    {
      when: "its certificate has expired",
      facts: { certificateExpiresAt: T, streamEnded: "the connection was lost" },
      at: 60_000,
      is: "lost",
      because: "not heard for 1m: its certificate expired 1m ago; it must enroll again",
    },
    {
      when: "its stream ended",
      facts: { streamEnded: "the agent closed its stream" },
      at: 12_000,
      is: "late",
      because: "not heard for 12s: the agent closed its stream",
    },
    {
      when: "it is excused for 30 s and 40 s have passed",
      facts: { excusedUntil: T + 30_000 },
      at: 40_000,
      is: "live",
      because: "not heard for 40s, while the control plane could not hear it",
    },
    { when: "the excuse ran out 14 s ago", facts: { excusedUntil: T + 30_000 }, at: 44_000, is: "lost" },
    { when: "an old excuse is no excuse", facts: { excusedUntil: T - 1 }, at: 14_000, is: "lost" },
  ])("$when: $is", ({ facts, at, is, because }) => {
    const verdict = judgeLiveness({ ...heard, ...facts }, T + at);
    expect(verdict.liveness).toBe(is);
    if (because !== undefined) expect(verdict.because).toBe(because);
  });

  test("a silent node only gets worse, and is lost within 15 s with one interval of judging to spare", () => {
    const rank = { live: 0, late: 1, lost: 2, revoked: 3, "never-seen": 3 };
    fc.assert(
      fc.property(fc.nat(60_000), fc.nat(60_000), (a, b) => {
        const [early, later] = a <= b ? [a, b] : [b, a];
        const before = judgeLiveness(heard, T + early).liveness;
        const after = judgeLiveness(heard, T + later).liveness;
        return rank[before] <= rank[after] && (later + SECOND < 15 * SECOND || after === "lost");
      }),
    );
    expect(LATE_AFTER).toBeLessThan(LOST_AFTER);
  });
});
