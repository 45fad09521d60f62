import { chmodSync, renameSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BackedUpServer } from "../../backups/testing/backed-up-server.js";
import { runProgram } from "../../run/process.js";
import { actionContext } from "../../testing/action-context.js";
import type { Reading } from "../reading.js";
import { labelOf } from "../series.js";
import { BackupGroup } from "./backup-group.js";

const server = new BackedUpServer("pg_basebackup");
let last = new Date(0);

beforeAll(async () => {
  await server.start();
  server.backup();
  last = await server.mark(1);
  await server.archived();
});

afterAll(() => server.stop());

const valuesOf = (readings: readonly Reading[]): Record<string, number> =>
  Object.fromEntries(
    (readings.at(-1)?.set.series ?? []).map((series, at) => [
      [labelOf(series, "__name__"), labelOf(series, "evidence"), labelOf(series, "type")]
        .filter((part) => part !== undefined)
        .join(" ")
        .replace("mainstay_backup_", ""),
      readings.at(-1)?.values[at] ?? Number.NaN,
    ]),
  );

test("what can be restored is told as series, and what is wrong once", async () => {
  const { context } = actionContext({ restoreDrill: { repositories: [server.repository()] } });
  const said: string[] = [];
  const group = new BackupGroup(
    { repositories: context.policy.restoreDrill?.repositories ?? [], intervalMs: 60_000 },
    { instance: "db-1", node: "db-1" },
    runProgram,
    (level, sentence) => said.push(`${level}: ${sentence}`),
  );
  const values = valuesOf(await group.read(1_000));
  expect(values).toMatchObject({ repository_up: 1, backups: 1, log_beyond_hole_segments: 0 });
  expect(values["newest_restorable_timestamp_seconds archived-log"]).toBeGreaterThan(
    last.getTime() / 1_000 - 1,
  );
  expect(values["last_completed_timestamp_seconds full"]).toBeGreaterThan(0);
  expect(said).toEqual([]);

  renameSync(server.path.wal, `${server.path.wal}-away`);
  const away = valuesOf(await group.read(2_000));
  await group.read(3_000);
  expect(away).toEqual({ repository_up: 0 });
  expect(said).toEqual(["warn: Something is wrong with a backup repository"]);
  renameSync(`${server.path.wal}-away`, server.path.wal);
  chmodSync(server.path.wal, 0o700);
  expect(valuesOf(await group.read(4_000))).toMatchObject({ repository_up: 1 });
  expect(said.at(-1)).toBe("info: A backup repository can be read again");
});
