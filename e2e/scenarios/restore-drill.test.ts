/**
 * A backup of a real PostgreSQL is restored by a drill that begins by itself, and only then called good; a killed control
 * plane goes on with the drill it had begun; a backup that is damaged is called what it is.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DrillRun } from "@mainstay/proto/gen/mainstay/operator/v1/drills_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BackedUpPostgres } from "../harness/backed-up-postgres.js";
import { journalOf } from "../harness/commands.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const PATIENCE_MS = 90_000;
const directory = mkdtempSync(join(tmpdir(), "mainstay-drill-e2e-"));
const COMPONENTS = `components:
  - id: orders
    criticality: critical
    selector: { role: backup }
    objectives: [{ source: a test, rto: 5m, rpo: 1h }]
    drills: [{ kind: restore, every: 1d, node: backup-1, repository: main }]
`;

let stack: Stack;
let postgres: BackedUpPostgres;

beforeAll(async () => {
  // For root, PostgreSQL runs as nobody, who must be able to pass through.
  chmodSync(directory, 0o711);
  postgres = new BackedUpPostgres(join(directory, "pg"));
  await postgres.start();
  await postgres.mark(500);
  postgres.backup();
  await postgres.mark(500);
  await postgres.archived();
  const components = join(directory, "components.yaml");
  writeFileSync(components, COMPONENTS);
  stack = await Stack.start({ args: ["--components", components] });
  await stack.startAgent("backup-1", {
    labels: { role: "backup" },
    collect: { backups: { intervalMs: 5_000 } },
    actions: { restoreDrill: { repositories: [postgres.repository("orders")] } },
  });
});
afterAll(async () => {
  await stack?.stop();
  await postgres?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const runs = async (): Promise<readonly DrillRun[]> =>
  (await stack.operator().drills().listDrillRuns({ drill: "orders-restore" })).runs;

/** A run, once it has ended. */
const ended = (which: (run: DrillRun) => boolean): Promise<DrillRun> =>
  until(
    "a run of the drill to end",
    async () => {
      const found = (await runs()).find(which);
      if (found?.state !== "open") return found;
      throw new Error(`${found.state}: ${found.because}`);
    },
    PATIENCE_MS,
  );

const repository = () =>
  until("the repository to be told of", async () => {
    const [one] = (await stack.operator().backups().listRepositories({})).repositories;
    return one?.newestRestorable === undefined ? undefined : one;
  });

test("a backup is unproven until a drill, which begins by itself, has restored it, and then proven", async () => {
  const run = await ended(({ state }) => state !== "aborted");
  expect(run, run.because).toMatchObject({
    state: "passed",
    score: 100,
    kind: "restore",
    begunBy: "control-plane",
    report: { repository: "main", measuredBy: "marker", failedAt: "", destroyed: true },
  });
  expect(run.report?.probes).toMatchObject([{ name: "rows", value: 1_000 }]);
  expect(Number(run.report?.rtoMs)).toBeGreaterThan(0);
  expect(run.report?.says.join()).toContain("amcheck finds nothing wrong");
  expect(postgres.leftovers()).toEqual([]);

  expect(await journalOf(stack.operator(), run.reference)).toContain("command.succeeded");
  const { entries } = await stack.operator().journal().listEntries({ subject: "drill:orders-restore" });
  expect(entries.map(({ kind }) => kind).sort()).toEqual(["drill.asked", "drill.begun", "drill.passed"]);

  expect(await repository()).toMatchObject({ readable: true, evidence: "archived-log", proof: "proven" });
  const objective = await until("the objective to be judged", async () => {
    const [one] = (await stack.operator().recovery().listObjectives({})).objectives;
    return one?.newestRestorableAt === undefined ? undefined : one;
  });
  expect(objective).toMatchObject({ verdict: "met", component: "orders", restoreRtoMs: run.report?.rtoMs });
  expect(objective.history).toMatchObject([{ kind: "restore", met: true }]);
  expect(objective.liveBecause).toContain("archived without a hole");
}, 180_000);

test("a control plane that is killed goes on with the drill that was begun, and asks for nothing twice", async () => {
  const { run } = await stack.operator().drills().runDrill({ drill: "orders-restore", reason: "to see" });
  await expect(
    stack.operator().drills().runDrill({ drill: "orders-restore", reason: "at once again" }),
  ).rejects.toThrow("never a second one");
  await stack.controlPlane.killHard();
  await stack.startControlPlane();
  const done = await ended(({ runId }) => runId === run?.runId);
  expect(done, done.because).toMatchObject({ state: "passed", score: 100 });
  const { commands } = await stack.operator().commands().listCommands({});
  expect(commands.filter(({ action }) => action === "restore-drill")).toHaveLength((await runs()).length);
}, 180_000);

test("one flipped byte, and the backup is not called good any more", async () => {
  postgres.flipByte();
  const { run } = await stack
    .operator()
    .drills()
    .runDrill({ drill: "orders-restore", reason: "a flipped byte" });
  const done = await ended(({ runId }) => runId === run?.runId);
  expect(done, done.because).toMatchObject({
    state: "failed",
    score: 0,
    report: { failedAt: "verify", destroyed: true },
  });
  expect(done.because).toContain("checksum invalid: 1");
  expect(await repository()).toMatchObject({ proof: "disproven" });
  expect(postgres.leftovers()).toEqual([]);
}, 180_000);
