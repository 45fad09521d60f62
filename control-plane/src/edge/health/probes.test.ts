/** Liveness, readiness and the checks: what decides, and what runs it. */
import { describe, expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../kernel/time.js";
import { silentLogger } from "../../platform/logger.js";
import { systemClock } from "../../platform/system.js";
import { fakeSystem } from "../../platform/testing/fake-system.js";
import { HealthChecks } from "./check-health.js";
import { EventLoopLag } from "./event-loop.js";
import { headlines } from "./headlines.js";
import { judgeLiveness } from "./judge-liveness.js";
import { judgeReadiness, nextStanding, type Standing, UP } from "./judge-readiness.js";
import { Serving } from "./serving.js";
import { ReadinessWatch } from "./watch-readiness.js";

describe("liveness", () => {
  const now = 100_000;
  test.each([
    { when: "nothing was sampled yet", samples: [], dueAt: now + 500, kind: "live" },
    { when: "the lag was 5 s", samples: [{ at: now, lag: 5_000 }], dueAt: now, kind: "live" },
    { when: "the lag was over 5 s", samples: [{ at: now, lag: 5_001 }], dueAt: now, kind: "hung" },
    { when: "it was so 10 s ago", samples: [{ at: now - 10_000, lag: 5_001 }], dueAt: now, kind: "hung" },
    { when: "it was so longer ago", samples: [{ at: now - 10_001, lag: 5_001 }], dueAt: now, kind: "live" },
    { when: "the timer is 5 s late", samples: [], dueAt: now - 5_000, kind: "live" },
    { when: "the timer is later than that", samples: [], dueAt: now - 5_001, kind: "hung" },
  ])("$kind when $when", ({ samples, dueAt, kind }) => {
    expect(judgeLiveness(samples, dueAt, now).kind).toBe(kind);
  });

  test("a loop that stood still is told hung, and live again later", async () => {
    const { clock } = fakeSystem(0);
    const lag = new EventLoopLag(clock);
    lag.start();
    clock.advance(500);
    await Promise.resolve();
    expect(lag.read()).toMatchObject({ kind: "live", worstLag: 0 });
    clock.advance(6_000);
    await Promise.resolve();
    expect(lag.read()).toMatchObject({ kind: "hung", worstLag: 5_500 });
    for (let turns = 0; turns < 21; turns += 1) {
      clock.advance(500);
      await Promise.resolve();
    }
    expect(lag.read()).toMatchObject({ kind: "live", worstLag: 0 });
    lag.stop();
  });
});

describe("readiness", () => {
  const after = (looks: string): Standing =>
    [...looks].reduce((standing, look) => nextStanding(standing, look === "+"), UP);

  test.each([
    { looks: "", up: true },
    { looks: "-", up: true },
    { looks: "--", up: false },
    { looks: "-+-", up: true },
    { looks: "--+", up: false },
    { looks: "--+-+", up: false },
    { looks: "--++", up: true },
    { looks: "--++-", up: true },
  ])("after looks $looks a dependency that was up is up: $up", ({ looks, up }) => {
    expect(after(looks).up).toBe(up);
  });

  const vital = new Set(["postgresql"]);
  test.each([
    { when: "all is up", away: [], serving: true, ready: true, degraded: [] },
    {
      when: "Vault and Redis are away",
      away: ["vault", "redis"],
      serving: true,
      ready: true,
      degraded: ["redis", "vault"],
    },
    {
      when: "PostgreSQL is away",
      away: ["postgresql"],
      serving: true,
      ready: false,
      degraded: ["postgresql"],
    },
    { when: "it is stopping", away: [], serving: false, ready: false, degraded: [] },
  ])("ready is $ready when $when", ({ away, serving, ready, degraded }) => {
    const down: Standing = { up: false, against: 0 };
    const standings = new Map<string, Standing>(
      ["postgresql", "redis", "vault"].map((name) => [name, away.includes(name) ? down : UP]),
    );
    expect(judgeReadiness(standings, vital, serving)).toEqual({ ready, degraded });
  });

  test("a dependency that hangs is away within three seconds, and back when it answers again", async () => {
    let hangs = false;
    const serving = new Serving();
    serving.set(true);
    const watch = new ReadinessWatch({
      dependencies: [
        {
          name: "postgresql",
          vital: true,
          ping: () => (hangs ? new Promise<void>(() => {}) : Promise.resolve()),
        },
      ],
      system: { clock: systemClock, draws: fakeSystem().draws },
      logger: silentLogger,
      serving,
    });
    watch.start();
    expect(watch.read()).toEqual({ ready: true, degraded: [] });
    hangs = true;
    await expect.poll(() => watch.read().ready, { timeout: 3_000, interval: 20 }).toBe(false);
    hangs = false;
    await expect.poll(() => watch.read().ready, { timeout: 3_000, interval: 20 }).toBe(true);
    await watch.stop();
  });
});

describe("the checks", () => {
  const fine = { status: "healthy", because: "fine", figures: {} } as const;

  test("one that hangs is unhealthy after a second, and holds up no other", async () => {
    const checks = new HealthChecks(
      [
        { name: "a", vital: true, run: async () => fine },
        { name: "b", vital: false, run: () => new Promise(() => {}) },
        {
          name: "c",
          vital: false,
          run: async () => {
            throw new Error("broken");
          },
        },
      ],
      systemClock,
    );
    const started = performance.now();
    const health = await checks.read();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(health.status).toBe("degraded");
    expect(health.components).toMatchObject([
      { name: "a", status: "healthy" },
      { name: "b", status: "unhealthy", because: "no answer within 1 s" },
      { name: "c", status: "unhealthy", because: "broken" },
    ]);
  });

  test("however many ask, they run once in five seconds", async () => {
    const { clock } = fakeSystem(0);
    let runs = 0;
    const run = async () => {
      runs += 1;
      return fine;
    };
    const checks = new HealthChecks([{ name: "a", vital: true, run }], clock);
    await Promise.all([checks.read(), checks.read()]);
    clock.advance(4_999);
    await checks.read();
    expect(runs).toBe(1);
    clock.advance(1);
    await checks.read();
    expect(runs).toBe(2);
  });
});

describe("headlines", () => {
  const now = 1_700_000_000_000;
  const input = {
    fullest: { node: "web-1", mountpoint: "/", usedRatio: 0.2249 },
    certificates: { count: 2, nearestExpiry: now + 63 * DAY + HOUR },
    alertsFiring: 0,
    nodes: 1,
  };
  test.each([
    {
      when: "all was read",
      change: {},
      lines: ["/ 22 % full", "2 certificates, nearest expiry in 63 d", "0 alerts firing"],
    },
    {
      when: "there are two nodes",
      change: { nodes: 2 },
      lines: ["/ on web-1 22 % full", "2 certificates, nearest expiry in 63 d", "0 alerts firing"],
    },
    {
      when: "there is one of each",
      change: { certificates: { count: 1, nearestExpiry: now + 47 * HOUR }, alertsFiring: 1 },
      lines: ["/ 22 % full", "1 certificate, nearest expiry in 47 h", "1 alert firing"],
    },
    {
      when: "one expires soon",
      change: { certificates: { count: 1, nearestExpiry: now + 119 * MINUTE } },
      lines: ["/ 22 % full", "1 certificate, nearest expiry in 119 min", "0 alerts firing"],
    },
    {
      when: "one has expired",
      change: { certificates: { count: 3, nearestExpiry: now - 3 * DAY } },
      lines: ["/ 22 % full", "3 certificates, one expired 3 d ago", "0 alerts firing"],
    },
    {
      when: "there are none",
      change: { certificates: { count: 0, nearestExpiry: undefined }, fullest: undefined },
      lines: ["0 certificates", "0 alerts firing"],
    },
    {
      when: "nothing could be read",
      change: { certificates: undefined, fullest: undefined, alertsFiring: undefined },
      lines: [],
    },
  ])("when $when", ({ change, lines }) => {
    expect(headlines({ ...input, ...change }, now)).toEqual(lines);
  });
});
