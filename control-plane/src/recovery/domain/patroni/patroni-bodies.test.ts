/** What Debian's Patroni 3.0.2 answered, and what nobody should answer. */
import { describe, expect, test } from "vitest";
import { fitReplicas, isLost, openOwner, type PatroniHeard, readSeen, storeOwner } from "./patroni-seen.js";

const A = "http://10.0.0.1:8008";
const B = "http://10.0.0.2:8008";

const primary = {
  state: "running",
  role: "master",
  server_version: 150018,
  xlog: { location: 50331648 },
  timeline: 1,
  patroni: { version: "3.0.2", scope: "pair" },
};
const replica = {
  state: "running",
  role: "replica",
  xlog: { received_location: 50331640, replayed_location: 50331640, replayed_timestamp: null, paused: false },
  timeline: 1,
  patroni: { version: "3.0.2", scope: "pair" },
};
const view = (second: object = {}) => ({
  members: [
    { name: "pg-1", role: "leader", state: "running", api_url: `${A}/patroni`, timeline: 1 },
    {
      name: "pg-2",
      role: "replica",
      state: "running",
      api_url: `${B}/patroni`,
      timeline: 1,
      lag: 0,
      ...second,
    },
  ],
});
const says = (endpoint: string, body: unknown) => ({ endpoint, body, silent: "", unasked: false });
const silent = (endpoint: string, unasked = false) => ({
  endpoint,
  body: undefined,
  silent: "ECONNREFUSED",
  unasked,
});
const heard = (more: Partial<PatroniHeard> = {}): PatroniHeard => ({
  own: [says(A, primary), says(B, replica)],
  cluster: view(),
  history: [[1, 50331984, "no recovery target specified", "2026-11-22T19:02:38.703950+00:00", "pg-2"]],
  config: { ttl: 20, loop_wait: 1, maximum_lag_on_failover: 1_048_576 },
  ...more,
});

test("who leads, who could be promoted, and what Patroni's times are", () => {
  const seen = readSeen(heard(), 5);
  expect(openOwner(seen)).toEqual({ itself: true, leader: "pg-1", timeline: 1, lsn: 50331648 });
  expect(fitReplicas(seen).map(({ name }) => name)).toEqual(["pg-2"]);
  expect(seen).toMatchObject({ at: 5, heard: 2, asked: 2, holder: "pg-1", paused: false, version: "3.0.2" });
  expect(seen.settings).toEqual({ ttl: 20_000, loopWait: 1_000, lagMaxBytes: 1_048_576, synchronous: false });
  expect(seen.history).toMatchObject([{ timeline: 1, lsn: 50331984, leader: "pg-2" }]);
});

describe.each<[string, Partial<PatroniHeard>, { open?: string; lost: boolean; fit: readonly string[] }]>([
  ["all is well", {}, { open: "pg-1", lost: false, fit: ["pg-2"] }],
  [
    "the leader does not answer, and its lease has not run out",
    { own: [silent(A), says(B, replica)] },
    { lost: false, fit: ["pg-2"] },
  ],
  [
    "the lease has run out",
    { own: [silent(A), says(B, replica)], cluster: { members: view().members.slice(1) } },
    { lost: true, fit: ["pg-2"] },
  ],
  [
    "the leader's PostgreSQL does not run",
    { own: [says(A, { ...primary, state: "crashed" }), says(B, replica)] },
    { lost: true, fit: ["pg-2"] },
  ],
  ["nobody answers", { own: [silent(A), silent(B)], cluster: undefined }, { lost: false, fit: [] }],
  [
    "a replica is behind by an unknown length",
    { cluster: view({ lag: "unknown" }) },
    { open: "pg-1", lost: false, fit: [] },
  ],
  ["it is behind by too much", { cluster: view({ lag: 1_048_577 }) }, { open: "pg-1", lost: false, fit: [] }],
  [
    "it must not be promoted",
    { cluster: view({ tags: { nofailover: true } }) },
    { open: "pg-1", lost: false, fit: [] },
  ],
  [
    "it still copies",
    { cluster: view({ state: "creating replica" }) },
    { open: "pg-1", lost: false, fit: [] },
  ],
  ["it does not answer", { own: [says(A, primary), silent(B)] }, { open: "pg-1", lost: false, fit: [] }],
  [
    "it was not asked, for it did not answer before",
    { own: [says(A, primary), silent(B, true)] },
    { open: "pg-1", lost: false, fit: ["pg-2"] },
  ],
])("%s", (_, more, wanted) => {
  test("is read as it is", () => {
    const seen = readSeen(heard(more), 5);
    expect(openOwner(seen)?.leader).toBe(wanted.open);
    expect(isLost(seen)).toBe(wanted.lost);
    expect(fitReplicas(seen).map(({ name }) => name)).toEqual(wanted.fit);
  });
});

test("with its common store away Patroni lets nobody write: known when each member says so itself", () => {
  const before = readSeen(heard(), 1);
  const own = [says(A, { ...primary, role: "replica" }), says(B, replica)];
  const all = readSeen(heard({ cluster: undefined, own }), 2, before);
  expect([all.holder, isLost(all)]).toEqual([undefined, true]);
  expect(
    isLost(readSeen(heard({ cluster: undefined, own: [own[0] ?? says(A, primary), silent(B)] }), 2, before)),
  ).toBe(false);
  const still = readSeen(heard({ cluster: undefined }), 2, before);
  expect(openOwner(still)?.leader).toBe("pg-1");
});

test("what the store says of one that was not asked never says that it is open", () => {
  const seen = readSeen(heard({ own: [silent(A, true), says(B, replica)] }), 5);
  expect(openOwner(seen)).toBe(undefined);
  expect(storeOwner(seen)).toEqual({ itself: false, leader: "pg-1", timeline: 1, lsn: undefined });
});

test.each([
  ["https://db-1", "https://db-1:443/patroni"],
  ["http://db-1", "http://DB-1:80/patroni"],
  ["https://[::1]:8008", "https://[::1]:8008/patroni"],
])("a member is known by its endpoint %s where Patroni names it %s", (endpoint, api_url) => {
  const cluster = { members: [{ name: "pg-1", role: "leader", state: "running", api_url }] };
  const seen = readSeen(heard({ own: [says(endpoint, primary)], cluster }), 5);
  expect(openOwner(seen)?.leader).toBe("pg-1");
});

test("two that say that they take writes: the one that holds the lease", () => {
  const seen = readSeen(heard({ own: [says(A, primary), says(B, { ...primary, timeline: 2 })] }), 5);
  expect(openOwner(seen)?.leader).toBe("pg-1");
});

test.each([
  ["no JSON at all", "<html>"],
  ["a list", []],
  ["members beyond any bound", { members: Array.from({ length: 51 }, () => view().members[0]) }],
  ["names that are numbers", { members: [{ name: 1, role: "leader", state: "running" }] }],
])("an answer that is not Patroni's counts as none: %s", (_, cluster) => {
  const seen = readSeen(heard({ cluster }), 5);
  expect([seen.holder, seen.members]).toEqual([undefined, []]);
});

test("what a host says is shortened and holds no escapes", () => {
  const name = `\u001b[31m${"x".repeat(500)}`;
  const seen = readSeen(heard({ cluster: { members: [{ name, role: "leader", state: "running" }] } }), 5);
  expect(seen.members[0]?.name).not.toContain("\u001b");
  expect(seen.members[0]?.name.length).toBeLessThanOrEqual(100);
});
