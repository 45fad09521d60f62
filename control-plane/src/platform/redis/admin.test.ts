import { describe, expect, test } from "vitest";
import { readState } from "./admin.js";

const info = (...lines: readonly string[]): string => ["# Replication", ...lines, ""].join("\r\n");

describe("what INFO says", () => {
  test("of a master", () => {
    const said = info(
      "role:master",
      "master_repl_offset:40",
      "rdb_last_save_time:1700000000",
      "db0:keys=3,expires=1",
      "db1:keys=2,expires=0",
    );
    expect(readState(said)).toMatchObject({
      role: "master",
      follows: undefined,
      silentFor: undefined,
      offset: 40,
      savedAt: 1_700_000_000_000,
      keys: 5,
      isLoading: false,
    });
  });

  test.each([
    {
      when: "linked",
      lines: ["master_link_status:up", "master_last_io_seconds_ago:2"],
      is: { isLinked: true, silentFor: 2_000 },
    },
    {
      when: "cut off",
      lines: ["master_link_status:down", "master_last_io_seconds_ago:-1", "master_link_down_since_seconds:7"],
      is: { isLinked: false, silentFor: 7_000 },
    },
    {
      when: "never linked",
      lines: [
        "master_link_status:down",
        "master_last_io_seconds_ago:-1",
        "master_link_down_since_seconds:-1",
      ],
      is: { isLinked: false, silentFor: undefined },
    },
    {
      when: "being filled",
      lines: ["master_link_status:down", "master_sync_in_progress:1", "master_link_down_since_seconds:1"],
      is: { isSyncing: true },
    },
  ])("of a replica that is $when", ({ lines, is }) => {
    const said = info(
      "role:slave",
      "master_host:10.0.0.1",
      "master_port:6379",
      "slave_repl_offset:30",
      ...lines,
    );
    expect(readState(said)).toMatchObject({
      role: "replica",
      follows: { host: "10.0.0.1", port: 6_379 },
      offset: 30,
      ...is,
    });
  });

  test("of a server that loads its data", () => {
    expect(readState(info("role:master", "loading:1")).isLoading).toBe(true);
  });
});
