/** Restore drills on real backups of a real PostgreSQL, made by pgBackRest and by pg_basebackup. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lookAtRepository } from "../../backups/look.js";
import { BackedUpServer, type BackupTool } from "../../backups/testing/backed-up-server.js";
import { realSystem } from "../../system.js";
import { actionContext } from "../../testing/action-context.js";
import type { Done } from "../action.js";
import { runProgram } from "../process.js";
import { restoreDrill } from "./restore-drill.js";

const tools: readonly BackupTool[] = ["pgbackrest", "pg_basebackup"];

/** A busy machine restores slowly; no number is taken from this. */
const PATIENCE_MS = 170_000;
const patient = () => ({ deadline: realSystem.clock.monotonic() + PATIENCE_MS });

describe.each(tools)("backups by %s", { timeout: PATIENCE_MS }, (tool) => {
  const server = new BackedUpServer(tool);
  const rows: Date[] = [];
  /** After the 30th row and before the 31st. */
  let between = "";

  beforeAll(async () => {
    await server.start();
    for (let n = 1; n <= 20; n++) rows.push(await server.mark(n));
    server.backup();
    for (let n = 21; n <= 30; n++) rows.push(await server.mark(n));
    await realSystem.timers.sleep(20);
    between = new Date(realSystem.clock.now()).toISOString();
    await realSystem.timers.sleep(20);
    for (let n = 31; n <= 40; n++) rows.push(await server.mark(n));
    await server.archived();
    for (let n = 41; n <= 45; n++) rows.push(await server.mark(n));
  });

  afterAll(() => server.stop());

  const prepared = (more: Readonly<Record<string, unknown>> = {}) =>
    actionContext({ restoreDrill: { repositories: [server.repository(more)] } }, patient());

  async function drilled(to?: string, more: Readonly<Record<string, unknown>> = {}): Promise<Done> {
    const { context } = prepared(more);
    const args = { action: "restore-drill", repository: "main", to } as const;
    const previewed = await restoreDrill.preview(args, context);
    if (previewed.kind === "impossible") throw new Error(previewed.because);
    return restoreDrill.run(args, previewed.plan, context);
  }

  test("the plan names the backup and touches nothing", async () => {
    const { context } = prepared();
    const previewed = await restoreDrill.preview(
      { action: "restore-drill", repository: "main", to: undefined },
      context,
    );
    expect(previewed).toMatchObject({ kind: "planned", plan: { inverse: "nothing-to-undo" } });
    expect(readdirSync(server.path.scratch)).toEqual([]);
    const early = await restoreDrill.preview(
      { action: "restore-drill", repository: "main", to: "2001-01-01T00:00:00Z" },
      context,
    );
    expect(early).toMatchObject({ kind: "impossible" });
  });

  test("what can be restored reaches as far as the log was archived", async () => {
    const repository = prepared().context.policy.restoreDrill?.repositories[0];
    if (repository === undefined) throw new Error("it is declared");
    const view = await lookAtRepository(repository, runProgram);
    expect(view.wrong).toBe("");
    expect(view.backups).toHaveLength(1);
    expect(view.newestRestorable?.evidence).toBe("archived-log");
    // Repositories keep whole seconds.
    expect(view.newestRestorable?.at).toBeGreaterThanOrEqual((rows[39]?.getTime() ?? 0) - 1_000);
    const url = `postgres://postgres@localhost/postgres?host=${server.path.sock}`;
    const asked = { ...repository, database: { name: "main", url, urlFile: undefined } };
    const told = await lookAtRepository(asked, runProgram);
    expect(told.archiver).toEqual(expect.objectContaining({ failedCount: 0, waiting: 0 }));
    expect(told.newestRestorable?.at).toBeLessThanOrEqual(view.newestRestorable?.at ?? 0);
  });

  test("the newest moment is restored, measured, and taken away again", async () => {
    const done = await drilled();
    expect(done.summary).toContain("was restored in");
    expect(done).toMatchObject({
      succeeded: true,
      result: {
        component: "pg-primary",
        probes: { rows: 40 },
        newestAt: rows[39]?.toISOString(),
        measuredBy: "marker",
        destroyed: true,
        failedAt: null,
      },
    });
    const { rtoMs, rpoMs, begunAt } = done.result as { rtoMs: number; rpoMs: number; begunAt: number };
    expect(rtoMs).toBeGreaterThan(0);
    expect(rpoMs).toBe(begunAt - (rows[39]?.getTime() ?? 0));
    expect(readdirSync(server.path.scratch)).toEqual([]);
  });

  test("a moment is restored exact to the row", async () => {
    const done = await drilled(between);
    expect(done.summary).toContain("was restored in");
    expect(done.result).toMatchObject({ probes: { rows: 30 }, rpoMs: null });
  });

  test("a moment that the archive does not reach is a failure, and says so", async () => {
    const done = await drilled("2099-01-01T00:00:00Z");
    expect(done).toMatchObject({ succeeded: false, result: { failedAt: "recover", destroyed: true } });
    expect(done.summary).toContain("recovery ended before configured recovery target was reached");
  });

  test("a probe that finds too little is a failure", async () => {
    const probes = [
      { name: "rows", database: "postgres", query: "select count(*) from marker", atLeast: 41 },
    ];
    const done = await drilled(undefined, { probes });
    expect(done).toMatchObject({ succeeded: false, result: { failedAt: "probe", probes: { rows: 40 } } });
  });

  test("the live database is as it was, and so is the repository", async () => {
    const [before] = await server.query(
      "select count(*) as n, pg_postmaster_start_time() as since from marker",
    );
    const timeline = await server.query("select timeline_id from pg_control_checkpoint()");
    await drilled();
    expect(
      await server.query("select count(*) as n, pg_postmaster_start_time() as since from marker"),
    ).toEqual([before]);
    expect(await server.query("select timeline_id from pg_control_checkpoint()")).toEqual(timeline);
    const repository = prepared().context.policy.restoreDrill?.repositories[0];
    if (repository === undefined) throw new Error("it is declared");
    // A promoted copy that archived would have left a second timeline's history there.
    const files = readdirSync(server.directory, { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => /(^|\/)00000002[0-9A-F.]/.test(name))).toEqual([]);
  });

  // Last, for it spoils the repository.
  test("a flipped byte of the backup is caught", async () => {
    const file = largestFile(
      tool === "pgbackrest" ? join(server.path.repo, "backup") : join(server.path.base, "base-1", "base"),
    );
    const bytes = readFileSync(file);
    const middle = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 0xff, middle);
    writeFileSync(file, bytes);
    const done = await drilled();
    expect(done).toMatchObject({
      succeeded: false,
      result: { failedAt: "verify", rtoMs: null, destroyed: true },
    });
    expect(done.summary).toContain("the backup is damaged");
    expect(readdirSync(server.path.scratch)).toEqual([]);
  });
});

test("a log that is received all the time: a restore lacks nothing that was written a moment ago", {
  timeout: PATIENCE_MS,
}, async () => {
  const server = new BackedUpServer("pg_receivewal");
  try {
    await server.start();
    server.backup();
    const last = [1, 2, 3].map((n) => server.mark(n));
    const rows = await Promise.all(last);
    await server.received();
    const { context } = actionContext({ restoreDrill: { repositories: [server.repository()] } }, patient());
    const args = { action: "restore-drill", repository: "main", to: undefined } as const;
    const [repository] = context.policy.restoreDrill?.repositories ?? [];
    if (repository === undefined) throw new Error("it is declared");
    expect((await lookAtRepository(repository, runProgram)).newestRestorable?.evidence).toBe("received-log");
    const previewed = await restoreDrill.preview(args, context);
    if (previewed.kind === "impossible") throw new Error(previewed.because);
    const done = await restoreDrill.run(args, previewed.plan, context);
    expect(done.summary).toContain("was restored in");
    const newest = Math.max(...rows.map((row) => row.getTime()));
    expect(done.result).toMatchObject({ probes: { rows: 3 }, newestAt: new Date(newest).toISOString() });
  } finally {
    await server.stop();
  }
});

function largestFile(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !/manifest|info/.test(name))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
  const [largest] = files.sort((a, b) => statSync(b).size - statSync(a).size);
  if (largest === undefined) throw new Error(`there is no file in ${folder}`);
  return largest;
}
