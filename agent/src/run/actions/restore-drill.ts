/**
 * Restores a backup into a folder of its own, rolls it forward, looks whether it is whole, measures how long that took and
 * what would be missing, and takes all of it away again. What is live is not touched: see `backups/scratch-server.ts`.
 */
import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Backup } from "../../backups/backup.js";
import { lookAtRepository, manifestBytes } from "../../backups/look.js";
import {
  checkTables,
  recoverySettings,
  restoreInto,
  sweepScratch,
  verifyBackup,
} from "../../backups/restore.js";
import {
  linkOutside,
  makeScratch,
  type ScratchServer,
  scratchPort,
  startScratchServer,
  waitUntilOpen,
} from "../../backups/scratch-server.js";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { DrillRepository } from "../permits/restore-drill.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";

export const scratchPrefix = "mainstay-drill-";
/** Restored data, its log, and room to write. */
const roomFactor = 1.2;
const roomLeastBytes = 64 * 1_048_576;

/** One at a time on a host: they share its disk with what is live. */
let underWay = false;

type Step = "verify" | "restore" | "recover" | "check" | "probe";

/** What became of a drill, as it is told. Times in ms; null for what was not reached. */
interface Report {
  readonly [key: string]: Json;
  repository: string;
  component: string;
  backup: string;
  /** The moment that was wanted; null: the newest there is. */
  to: string | null;
  begunAt: number;
  steps: Record<string, number>;
  /** From the first byte that was restored until writes were taken. */
  rtoMs: number | null;
  /** How much of what was written before it began, or before `to`, was not there. */
  rpoMs: number | null;
  /** The newest row, by the declared marker; else the last commit. */
  newestAt: string | null;
  measuredBy: "marker" | "last-commit" | null;
  bytes: number;
  says: string[];
  probes: { [name: string]: Json };
  failedAt: Step | null;
  because: string | null;
  destroyed: boolean;
}

export const restoreDrill: Action<"restore-drill"> = {
  name: "restore-drill",

  async preview(args, context): Promise<Previewed> {
    const repository = declared(context.policy.restoreDrill?.repositories, args.repository);
    if (repository === undefined) return impossible(`${args.repository} is not declared`);
    try {
      const { backups, wrong } = await lookAtRepository(repository, context.runProgram);
      const backup = fitting(backups, args.to);
      if (backup === undefined) {
        const why = args.to === undefined ? "there is no backup" : `no backup had ended by ${args.to}`;
        return impossible(`${repository.name}: ${why}${wrong === "" ? "" : `; ${wrong}`}`);
      }
      const { tool } = repository;
      const bytes =
        tool.kind === "pg_basebackup"
          ? await manifestBytes(join(tool.baseDirectory, backup.label))
          : backup.bytes;
      const needed = Math.max(roomLeastBytes, Math.round(bytes * roomFactor));
      const room = statfsSync(repository.scratch);
      const free = room.bavail * room.bsize;
      if (free < needed)
        return impossible(`${repository.scratch} has ${free} bytes free, and ${needed} are needed`);
      const plan: Plan = {
        action: "restore-drill",
        arguments: { repository: args.repository, to: args.to },
        backup: backup.label,
        bytes,
        scratch: repository.scratch,
        inverse: "nothing-to-undo",
      };
      const target = args.to ?? "the newest moment";
      return {
        kind: "planned",
        plan,
        summary: `would restore ${backup.label} of ${repository.name} to ${target} below ${repository.scratch}, look at it and delete it`,
      };
    } catch (error) {
      return impossible(`${repository.name}: ${reasonOf(error).slice(0, 1_000)}`);
    }
  },

  // A backup that is gone by then fails where it is restored; a newer one is no reason to plan anew.
  observed(plan) {
    return { scratch: plan["scratch"] };
  },

  async run(args, plan, context): Promise<Done> {
    const repository = declared(context.policy.restoreDrill?.repositories, args.repository);
    const label = plan["backup"];
    if (repository === undefined || typeof label !== "string")
      return failed(`${args.repository} is not declared any more`);
    if (underWay) return failed("another restore drill is under way on this host");
    underWay = true;
    try {
      return await drill(repository, label, args.to, context);
    } finally {
      underWay = false;
    }
  },

  async afterInterruption(args): Promise<string> {
    return `what was restored of ${args.repository} ended with the agent; its folder goes when the next drill begins`;
  },
};

/** The newest backup, or the newest that had ended by then. */
function fitting(backups: readonly Backup[], to: string | undefined): Backup | undefined {
  const until = to === undefined ? Number.POSITIVE_INFINITY : Date.parse(to);
  return backups.findLast(({ endedAt }) => endedAt <= until);
}

async function drill(
  repository: DrillRepository,
  label: string,
  to: string | undefined,
  context: ActionContext,
): Promise<Done> {
  const { clock, draws } = context.system;
  const left = sweepScratch(repository.scratch, scratchPrefix);
  if (left.length > 0) context.say(`swept what an interrupted drill had left: ${left.length} folders`);
  const root = join(repository.scratch, `${scratchPrefix}${draws.id().slice(0, 8)}`);
  const report = newReport(repository, label, to, clock.now());
  let step: Step = "verify";
  let server: ScratchServer | undefined;
  const timed = async <T>(next: Step, work: () => Promise<T>): Promise<T> => {
    step = next;
    if (context.signal.aborted) throw new Error("it was stopped");
    const began = clock.monotonic();
    try {
      return await work();
    } finally {
      report.steps[next] = Math.round(clock.monotonic() - began);
      context.say(`${next}: ${report.steps[next]} ms`);
    }
  };
  const tell = (says: string): void => {
    report.says.push(says);
    context.say(says);
  };
  try {
    const folders = makeScratch(repository, root);
    const verified = await timed("verify", () => verifyBackup(repository, label, context));
    tell(verified.says);
    if (!verified.good) throw new Error(`the backup is damaged: ${verified.says}`);
    const began = clock.monotonic();
    await timed("restore", () => restoreInto(repository, label, folders, context));
    const outside = linkOutside(folders);
    if (outside !== undefined) throw new Error(`not started: ${outside}`);
    server = await timed("recover", async () => {
      const recovery = recoverySettings(repository, folders, to);
      const started = await startScratchServer(repository, folders, recovery, context);
      server = started;
      await waitUntilOpen(started, context);
      await takesWrites(started);
      return started;
    });
    report.rtoMs = Math.round(clock.monotonic() - began);
    const checked = await timed("check", () => checkTables(repository, folders, scratchPort, context));
    tell(checked.says);
    if (!checked.good) throw new Error(checked.says);
    const open = server;
    await timed("probe", async () => {
      await measureLoss(repository, open, report);
      await probe(repository, open, report);
    });
  } catch (error) {
    report.failedAt = step;
    report.because = reasonOf(error).slice(0, 1_500);
  }
  await server?.stop();
  report.destroyed = destroy(root);
  if (!report.destroyed && report.because === null) report.because = `${root} could not be deleted`;
  return told(report);
}

function newReport(
  { name, component }: DrillRepository,
  backup: string,
  to: string | undefined,
  begunAt: number,
): Report {
  return {
    repository: name,
    component,
    backup,
    to: to ?? null,
    begunAt,
    steps: {},
    rtoMs: null,
    rpoMs: null,
    newestAt: null,
    measuredBy: null,
    bytes: 0,
    says: [],
    probes: {},
    failedAt: null,
    because: null,
    destroyed: false,
  };
}

/** A database that only answers would be no recovery. */
async function takesWrites(server: ScratchServer): Promise<void> {
  const client = await server.connect("postgres");
  try {
    await client.query("create table mainstay_drill_write (n int)");
    await client.query("insert into mainstay_drill_write values (1)");
    await client.query("drop table mainstay_drill_write");
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * What is missing is from the newest row that is there to when the drill began. To a wanted moment nothing is missing
 * before it, so there it is only looked whether something is there that came after.
 */
async function measureLoss(
  { marker }: DrillRepository,
  server: ScratchServer,
  report: Report,
): Promise<void> {
  const asked = marker?.query ?? "select pg_last_xact_replay_timestamp() as at";
  const value = await askOne(server, marker?.database ?? "postgres", asked);
  const at = value instanceof Date ? value : new Date(typeof value === "string" ? value : Number.NaN);
  if (Number.isNaN(at.getTime())) {
    if (marker !== undefined) throw new Error("the marker answers with no time: nothing of it was restored");
    return;
  }
  report.newestAt = at.toISOString();
  report.measuredBy = marker === undefined ? "last-commit" : "marker";
  if (report.to === null) {
    report.rpoMs = Math.max(0, report.begunAt - at.getTime());
  } else if (at.getTime() > Date.parse(report.to)) {
    throw new Error(`a row of ${report.newestAt} is there, which is after ${report.to}`);
  }
}

async function probe({ probes }: DrillRepository, server: ScratchServer, report: Report): Promise<void> {
  const size = await askOne(server, "postgres", "select sum(pg_database_size(oid)) from pg_database");
  report.bytes = Number(size ?? 0);
  const short: string[] = [];
  for (const { name, database, query, atLeast } of probes) {
    const value = Number(await askOne(server, database, query));
    report.probes[name] = Number.isFinite(value) ? value : null;
    if (!(value >= atLeast)) short.push(`${name} is ${value}, expected ${atLeast} or more`);
  }
  if (short.length > 0) throw new Error(`probes: ${short.join("; ")}`);
}

/** The first value of the first row. What was restored may not be changed by a question, nor may it take for ever. */
async function askOne(server: ScratchServer, database: string, query: string): Promise<unknown> {
  const client = await server.connect(database);
  try {
    await client.query("set default_transaction_read_only = on");
    const { rows } = await client.query<Record<string, unknown>>(query);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    await client.end().catch(() => undefined);
  }
}

function destroy(root: string): boolean {
  try {
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    return true;
  } catch {
    return false;
  }
}

function told(report: Report): Done {
  const { backup, repository, rtoMs, rpoMs, newestAt, failedAt, because } = report;
  const succeeded = because === null;
  const lost = rpoMs === null ? `newest ${newestAt ?? "unknown"}` : `${rpoMs} ms of writes missing`;
  return {
    succeeded,
    exitCode: succeeded ? 0 : 1,
    summary: succeeded
      ? `${backup} of ${repository} was restored in ${rtoMs} ms, ${lost}, and taken away again`
      : `${backup} of ${repository} cannot be relied on: ${failedAt ?? "end"}: ${because}`.slice(0, 1_500),
    result: { ...report },
  };
}

const impossible = (because: string): Previewed => ({ kind: "impossible", because });

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
