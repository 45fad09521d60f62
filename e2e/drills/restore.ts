/**
 * A database's backup is restored beside it: to the newest moment, to a moment of the past, and once more after one byte of
 * the backup was flipped, which has to be found. What is measured is the house's own report.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackedUpPostgres } from "../harness/backed-up-postgres.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";
import type { DrillReport } from "./report.js";

const PATIENCE_MS = 180_000;
const ROWS = 100_000;
const COMPONENTS = `components:
  - id: main
    criticality: critical
    objectives: [{ source: the drill, rto: 5m, rpo: 5m }]
    drills:
      - { kind: restore, every: 1d, begins: by-a-person, node: backups, repository: main }
      - { kind: restore, every: 1d, begins: by-a-person, node: backups, repository: main, to: any }
`;

async function drill(stack: Stack, postgres: BackedUpPostgres): Promise<DrillReport> {
  const drills = stack.operator().drills();
  const lines: string[] = [];
  const run = async (name: string) => {
    const begun = await until(
      `drill ${name} to begin`,
      () => drills.runDrill({ drill: name, reason: "a drill on this machine" }),
      PATIENCE_MS,
    );
    const ended = await until(
      `drill ${name} to end`,
      async () => {
        const now = (await drills.getDrillRun({ runId: begun.run?.runId ?? "" })).run;
        return now?.state === "open" ? undefined : now;
      },
      PATIENCE_MS,
    );
    const { report } = ended;
    lines.push(
      `${name}: ${ended.state}, score ${ended.score}: ${ended.because}`,
      `  open for writes after ${report?.rtoMs ?? "?"} ms, missing ${report?.rpoMs ?? "nothing before the moment wanted"}${report?.rpoMs === undefined ? "" : " ms"}, newest row ${report?.newestAt ?? "?"}`,
      ...(report?.steps ?? []).map(({ step, tookMs }) => `  ${step}: ${tookMs} ms`),
      ...(report?.says ?? []).map((text) => `  ${text}`),
    );
    return ended;
  };
  const newest = await run("main-restore-main-backups-newest");
  const moment = await run("main-restore-main-backups-any-moment");
  postgres.flipByte();
  lines.push("one byte of the backup is flipped");
  const damaged = await run("main-restore-main-backups-newest");
  const [repository] = (await stack.operator().backups().listRepositories({})).repositories;
  lines.push(`the repository is ${repository?.proof}: ${repository?.proofBecause}`);
  const left = postgres.leftovers();
  if (left.length > 0) lines.push(`left behind: ${left.join(", ")}`);
  return {
    passed:
      newest.state === "passed" &&
      moment.state === "passed" &&
      damaged.report?.failedAt === "verify" &&
      repository?.proof === "disproven" &&
      left.length === 0,
    lines,
  };
}

export async function restore(): Promise<DrillReport> {
  const directory = mkdtempSync(join(tmpdir(), "mainstay-drill-"));
  // For root, PostgreSQL runs as nobody, who must be able to pass through.
  chmodSync(directory, 0o711);
  const components = join(directory, "components.yaml");
  writeFileSync(components, COMPONENTS);
  const postgres = new BackedUpPostgres(join(directory, "pg"));
  let stack: Stack | undefined;
  try {
    await postgres.start();
    await postgres.mark(ROWS);
    postgres.backup();
    await postgres.mark(ROWS);
    await postgres.archived();
    stack = await Stack.start({ args: ["--components", components] });
    await stack.startAgent("backups", {
      collect: { backups: { intervalMs: 5_000 } },
      actions: { restoreDrill: { repositories: [postgres.repository("main")] } },
    });
    return await drill(stack, postgres);
  } finally {
    await stack?.stop();
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
