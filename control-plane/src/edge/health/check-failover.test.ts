import { describe, expect, test } from "vitest";
import { fakeSystem } from "../../platform/testing/fake-system.js";
import { FailoverCheck } from "./check-failover.js";
import { type FailoverFacts, judgeFailover } from "./judge-failover.js";

const well: FailoverFacts = { serving: true, live: true, database: "writable", leadership: "led" };

describe("whether this replica can truly serve", () => {
  test.each<{ when: string; facts: Partial<FailoverFacts>; kind: string }>([
    { when: "all is well", facts: {}, kind: "serves" },
    { when: "it stops", facts: { serving: false }, kind: "does-not-serve" },
    { when: "it hangs", facts: { live: false }, kind: "does-not-serve" },
    { when: "its database is away", facts: { database: "away" }, kind: "does-not-serve" },
    { when: "its database is a standby", facts: { database: "read-only" }, kind: "does-not-serve" },
    { when: "nobody leads", facts: { leadership: "nobody" }, kind: "does-not-serve" },
  ])("$kind when $when", ({ facts, kind }) => {
    expect(judgeFailover({ ...well, ...facts }).kind).toBe(kind);
  });

  test("is asked of PostgreSQL twice a second at most, and a PostgreSQL that hangs is away after a second", async () => {
    const { clock } = fakeSystem();
    let asked = 0;
    let answer: () => Promise<boolean> = async () => true;
    const check = new FailoverCheck({
      clock,
      serving: () => true,
      live: () => true,
      writable: () => {
        asked++;
        return answer();
      },
      leadership: () => "led",
    });
    expect((await check.read()).kind).toBe("serves");
    clock.advance(499);
    await check.read();
    expect(asked).toBe(1);
    clock.advance(1);
    answer = async () => false;
    expect((await check.read()).because).toBe("PostgreSQL takes no writes");
    clock.advance(500);
    answer = () => new Promise(() => undefined);
    const hung = check.read();
    await Promise.resolve();
    clock.advance(1_000);
    expect((await hung).because).toBe("PostgreSQL does not answer");
    expect(asked).toBe(3);
  });
});
