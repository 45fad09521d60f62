import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { castVote, type HealthRule, judgeVotes, lookBack, type VantageSamples } from "./judge-votes.js";

const EVERY = 30_000;
const NOW = 1_000_000_000;
const rule: HealthRule = { probe: "api", vantages: ["eu", "us", "ap"], needed: 2, failures: 3, every: EVERY };

/** The last look of `looks` was `ago` ms before now; `.` is a success, `x` a failure. */
const saw = (vantage: string, looks: string, ago = 1_000): VantageSamples => ({
  vantage,
  samples: [...looks].map((look, index) => ({
    at: NOW - ago - (looks.length - 1 - index) * EVERY,
    ok: look === ".",
  })),
});

describe("a vantage", () => {
  test.each([
    { looks: "....", ago: 0, votes: "healthy" },
    { looks: "...x", ago: 0, votes: "healthy" },
    { looks: "..xx", ago: 0, votes: "healthy" },
    { looks: ".xxx", ago: 0, votes: "unhealthy" },
    { looks: "xxxx", ago: 0, votes: "unhealthy" },
    { looks: "xxx.", ago: 0, votes: "healthy" },
    { looks: "xx", ago: 0, votes: "none" },
    { looks: "", ago: 0, votes: "none" },
    { looks: "....", ago: 2.5 * EVERY, votes: "healthy" },
    { looks: "....", ago: 2.5 * EVERY + 1, votes: "none" },
    { looks: "xxxx", ago: 2.5 * EVERY + 1, votes: "none" },
  ])("that saw $looks, the last $ago ms ago, votes $votes", ({ looks, ago, votes }) => {
    expect(castVote(rule, saw("eu", looks, ago), NOW).kind).toBe(votes);
  });
});

describe("the verdict", () => {
  test.each([
    { eu: "...", us: "...", ap: "...", is: "healthy" },
    { eu: "xxx", us: "...", ap: "...", is: "healthy" },
    { eu: "xxx", us: "xxx", ap: "...", is: "unhealthy" },
    { eu: "xxx", us: "xxx", ap: "", is: "unhealthy" },
    { eu: "xxx", us: "...", ap: "", is: "healthy" },
    { eu: "xxx", us: "", ap: "", is: "unknown" },
    { eu: "", us: "", ap: "", is: "unknown" },
  ])("of eu $eu us $us ap $ap is $is", ({ eu, us, ap, is }) => {
    expect(judgeVotes(rule, [saw("eu", eu), saw("us", us), saw("ap", ap)], NOW).kind).toBe(is);
  });

  test("counts nobody who has no vote, and nobody twice", () => {
    const strangers = ["x1", "x2"].map((vantage) => saw(vantage, "xxx"));
    expect(judgeVotes(rule, [saw("eu", "xxx"), ...strangers], NOW)).toMatchObject({ kind: "unknown" });
    expect(judgeVotes({ ...rule, vantages: [] }, [saw("eu", "xxx"), ...strangers], NOW).kind).toBe(
      "unhealthy",
    );
  });

  test("is unhealthy exactly when enough of those who vote say so, and never by silence", () => {
    const looks = fc.array(fc.constantFrom(".", "x"), { maxLength: 6 }).map((all) => all.join(""));
    fc.assert(
      fc.property(looks, looks, looks, fc.integer({ min: 1, max: 3 }), (eu, us, ap, needed) => {
        const seen = [saw("eu", eu), saw("us", us), saw("ap", ap)];
        const { kind } = judgeVotes({ ...rule, needed }, seen, NOW);
        const against = [eu, us, ap].filter((all) => all.endsWith("xxx")).length;
        expect(kind === "unhealthy").toBe(against >= needed);
      }),
    );
  });

  test("comes within what a vantage keeps: three failures every 30 s are seen after 90 s", () => {
    expect(lookBack(rule)).toBeGreaterThanOrEqual(3 * EVERY);
  });
});
