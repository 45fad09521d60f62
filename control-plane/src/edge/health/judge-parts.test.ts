import { describe, expect, test } from "vitest";
import { MINUTE, SECOND } from "../../kernel/time.js";
import {
  judgeAgents,
  judgeApi,
  judgeCpu,
  judgeDatabase,
  judgeDisk,
  judgeLoops,
  judgeMemory,
  judgeRedis,
  judgeRoom,
  judgeVault,
  type LoopReading,
} from "./judge-parts.js";

describe("the database", () => {
  const reading = { seconds: 0.002, connectionsActive: 3, connectionsMax: 20, waiting: 0 };
  test.each([
    {
      when: "few connections are in use",
      change: {},
      status: "healthy",
      because: "3 of 20 connections in use",
    },
    {
      when: "17 of 20 are in use",
      change: { connectionsActive: 17 },
      status: "healthy",
      because: "17 of 20 connections in use",
    },
    {
      when: "18 of 20 are in use",
      change: { connectionsActive: 18, waiting: 4 },
      status: "degraded",
      because: "18 of 20 connections in use, 4 waiting",
    },
    {
      when: "a round trip takes 0.99 s",
      change: { seconds: 0.99 },
      status: "healthy",
      because: "3 of 20 connections in use",
    },
    {
      when: "a round trip takes 1 s",
      change: { seconds: 1 },
      status: "degraded",
      because: "a round trip takes 1.0 s",
    },
  ])("is $status when $when", ({ change, status, because }) => {
    expect(judgeDatabase({ ...reading, ...change })).toMatchObject({ status, because });
  });

  test("figures have their units", () => {
    expect(judgeDatabase(reading).figures).toEqual({
      connections_active: 3,
      connections_max: 20,
      connections_waiting: 0,
      round_trip_seconds: 0.002,
    });
  });
});

test.each([
  { reading: { kind: "in-process", connected: true }, status: "healthy", active: 0 },
  { reading: { kind: "redis", connected: true }, status: "healthy", active: 1 },
  { reading: { kind: "redis", connected: false }, status: "unhealthy", active: 0 },
] as const)("Redis $reading is $status", ({ reading, status, active }) => {
  expect(judgeRedis(reading)).toMatchObject({ status, figures: { connections_active: active } });
});

test.each([
  ["not-configured", "healthy"],
  ["active", "healthy"],
  ["standby", "healthy"],
  ["sealed", "unhealthy"],
  ["uninitialised", "unhealthy"],
  ["unreachable", "unhealthy"],
] as const)("Vault %s is %s", (reading, status) => {
  expect(judgeVault(reading).status).toBe(status);
});

test.each([
  { lag: 999, status: "healthy" },
  { lag: 1_000, status: "degraded" },
  { lag: 4_999, status: "degraded" },
  { lag: 5_000, status: "unhealthy" },
])("an event loop that lags $lag ms is $status", ({ lag, status }) => {
  expect(judgeApi({ eventLoopLag: lag, requestsActive: 1 }).status).toBe(status);
});

test.each([
  { nodes: { live: 0, late: 0, lost: 0 }, status: "healthy", because: "no node has joined yet" },
  { nodes: { live: 3, late: 0, lost: 0 }, status: "healthy", because: "3 of 3 nodes are live" },
  { nodes: { live: 2, late: 1, lost: 0 }, status: "healthy", because: "2 of 3 nodes are live" },
  { nodes: { live: 2, late: 0, lost: 1 }, status: "degraded", because: "1 of 3 nodes are lost" },
  { nodes: { live: 0, late: 0, lost: 1 }, status: "unhealthy", because: "all 1 nodes are lost" },
])("agents $nodes are $status", ({ nodes, status, because }) => {
  expect(judgeAgents(nodes)).toMatchObject({ status, because });
});

describe("space", () => {
  test.each([
    { free: 15, status: "healthy" },
    { free: 14.9, status: "degraded" },
    { free: 5, status: "degraded" },
    { free: 4.9, status: "unhealthy" },
    { free: 0, status: "unhealthy" },
  ])("a disk with $free % free is $status", ({ free, status }) => {
    expect(judgeDisk({ freeBytes: free * 1_000, totalBytes: 100_000 }).status).toBe(status);
  });

  test.each([
    { free: 10, status: "healthy" },
    { free: 9.9, status: "degraded" },
    { free: 2.9, status: "unhealthy" },
  ])("memory with $free % available is $status", ({ free, status }) => {
    const judged = judgeMemory({ freeBytes: free * 1_000, totalBytes: 100_000, residentBytes: 7 });
    expect(judged).toMatchObject({ status, figures: { resident_bytes: 7 } });
  });

  test("a filesystem that tells no size is not judged full", () => {
    expect(judgeDisk({ freeBytes: 0, totalBytes: 0 }).status).toBe("healthy");
  });
});

test.each([
  { load: 3.9, status: "healthy" },
  { load: 4, status: "degraded" },
  { load: 15.9, status: "degraded" },
  { load: 16, status: "unhealthy" },
])("a load of $load on 2 cores is $status", ({ load, status }) => {
  expect(judgeCpu({ load, cores: 2, ownCores: 0 }).status).toBe(status);
});

describe("loops", () => {
  const now = 1_000_000;
  const loop: LoopReading = {
    name: "rules",
    interval: 10 * SECOND,
    lastStartedAt: now,
    lastSucceededAt: now,
    failuresInRow: 0,
    lastError: undefined,
  };
  test.each([
    { when: "it has just succeeded", change: {}, status: "healthy", because: "1 loops are on time" },
    {
      when: "two runs failed",
      change: { failuresInRow: 2 },
      status: "healthy",
      because: "1 loops are on time",
    },
    {
      when: "three runs failed",
      change: { failuresInRow: 3, lastError: "no" },
      status: "degraded",
      because: "rules failed 3 times in a row (no)",
    },
    {
      when: "it succeeded four intervals and a minute ago",
      change: { lastSucceededAt: now - 40 * SECOND - MINUTE },
      status: "healthy",
      because: "1 loops are on time",
    },
    {
      when: "it succeeded longer ago",
      change: { lastSucceededAt: now - 41 * SECOND - MINUTE },
      status: "degraded",
      because: "rules has not succeeded for 101 s",
    },
  ])("a loop is $status when $when", ({ change, status, because }) => {
    expect(judgeLoops([{ ...loop, ...change }], now, now)).toMatchObject({ status, because });
  });

  test("one that has never succeeded counts from the start", () => {
    const never = { ...loop, lastSucceededAt: undefined };
    expect(judgeLoops([never], now - 100 * SECOND, now).status).toBe("healthy");
    expect(judgeLoops([never], now - 101 * SECOND, now)).toMatchObject({
      status: "degraded",
      figures: { loops: 1, loops_in_trouble: 1 },
    });
  });
});

test.each([
  { reading: { kind: "ok" }, status: "healthy" },
  { reading: { kind: "degraded", because: "full" }, status: "degraded" },
  { reading: { kind: "down", because: "gone" }, status: "unhealthy" },
] as const)("a room that says $reading is $status", ({ reading, status }) => {
  expect(judgeRoom(reading, { a: 1 })).toMatchObject({ status, figures: { a: 1 } });
});
