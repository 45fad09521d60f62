/** What is missing before a running PostgreSQL can come under failover, each said with what was found, where, and what was expected. */
import { describe, expect, test } from "vitest";
import { judgeMember, type MemberFacts, type ServerFacts, tellFindings } from "./judge-member.js";

const here: Extract<ServerFacts, { kind: "reached" }> = {
  kind: "reached",
  version: 150_018,
  systemId: "77",
  timeline: 1,
  recovering: false,
  dataDirectory: "/data",
  isSuperuser: true,
  settings: {
    wal_level: "replica",
    max_wal_senders: "10",
    wal_log_hints: "on",
    data_checksums: "off",
    full_page_writes: "on",
  },
  slots: [],
  streaming: ["db-2 (10.0.0.2)"],
};
const sound: MemberFacts = {
  node: "db-1",
  firstPrimary: "db-1",
  members: ["db-1", "db-2"],
  user: "postgres",
  at: "/run port 5432",
  dataDirectory: "/data",
  binDirectory: "/bin",
  missingPrograms: [],
  binVersion: 150_000,
  dataOwner: "other",
  runsAsRoot: true,
  enrolled: "yes",
  here,
  peers: [{ name: "db-2", at: "db-2:5432", replication: { kind: "let-in", systemId: "77" } }],
};
const setting = (name: string, value: string): MemberFacts => ({
  ...sound,
  here: { ...here, settings: { ...here.settings, [name]: value } },
});
const peer = (replication: MemberFacts["peers"][number]["replication"], name = "db-2"): MemberFacts => ({
  ...sound,
  peers: [{ name, at: "db-2:5432", replication }],
});

test("a database that can come under failover lacks nothing", () => {
  expect(judgeMember(sound).filter(({ verdict }) => verdict !== "ok")).toEqual([]);
});

describe("what is not as it must be", () => {
  test.each([
    { facts: { ...sound, missingPrograms: ["pg_rewind"] }, what: "programs", verdict: "wrong" },
    { facts: { ...sound, binVersion: null }, what: "version of the programs", verdict: "wrong" },
    { facts: { ...sound, binVersion: 160_000 }, what: "version", verdict: "wrong" },
    { facts: { ...sound, dataOwner: "root" }, what: "owner of the data", verdict: "wrong" },
    { facts: { ...sound, runsAsRoot: false }, what: "owner of the data", verdict: "wrong" },
    { facts: { ...sound, enrolled: "no" }, what: "certificate", verdict: "wrong" },
    { facts: { ...sound, node: "db-2" }, what: "role", verdict: "wrong" },
    { facts: { ...sound, here: { ...here, recovering: true } }, what: "role", verdict: "wrong" },
    {
      facts: { ...sound, here: { ...here, isSuperuser: false } },
      what: "role of the agent",
      verdict: "wrong",
    },
    {
      facts: { ...sound, here: { ...here, dataDirectory: "/other" } },
      what: "data directory",
      verdict: "wrong",
    },
    { facts: setting("wal_level", "minimal"), what: "wal_level", verdict: "wrong" },
    { facts: setting("max_wal_senders", "3"), what: "max_wal_senders", verdict: "wrong" },
    { facts: setting("full_page_writes", "off"), what: "full_page_writes", verdict: "wrong" },
    { facts: setting("wal_log_hints", "off"), what: "wal_log_hints", verdict: "note" },
    { facts: { ...sound, here: { ...here, slots: ["old"] } }, what: "replication slots", verdict: "note" },
    { facts: { ...sound, here: { ...here, streaming: [] } }, what: "replicas", verdict: "note" },
    {
      facts: { ...sound, here: { kind: "unreached", because: "refused" } as const },
      what: "PostgreSQL",
      verdict: "wrong",
    },
    {
      facts: { ...sound, node: "db-2", here: { kind: "unreached", because: "refused" } as const },
      what: "PostgreSQL",
      verdict: "note",
    },
    {
      facts: peer({ kind: "refused", because: "no pg_hba.conf entry" }),
      what: "replication from db-2",
      verdict: "wrong",
    },
    {
      facts: peer({ kind: "unreached", because: "ECONNREFUSED" }),
      what: "replication from db-2",
      verdict: "note",
    },
    {
      facts: peer({ kind: "unreached", because: "ECONNREFUSED" }, "db-1"),
      what: "replication from db-1",
      verdict: "wrong",
    },
    { facts: peer({ kind: "let-in", systemId: "78" }), what: "replication from db-2", verdict: "wrong" },
  ] as const)("$what: $verdict", ({ facts, what, verdict }) => {
    const found = judgeMember(facts).filter((one) => one.verdict !== "ok");
    expect(found.map((one) => ({ what: one.what, verdict: one.verdict }))).toContainEqual({ what, verdict });
  });

  test("is told with what was found, its place, and what was expected", () => {
    const told = tellFindings(judgeMember(setting("wal_level", "minimal")));
    expect(told).toContain(
      "WRONG  wal_level: found minimal, at /run port 5432: SHOW wal_level; expected replica or logical",
    );
    expect(told).toContain("ok     role: a primary");
  });
});
