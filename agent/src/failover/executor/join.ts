/**
 * Makes the data here a copy of another's: as it is where that fits, rewound where it has parted, or taken anew. What an
 * old primary had alone is laid aside first.
 */
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Epoch, Lsn, NodeId } from "@mainstay/proto/failover/words";
import { readIfThere } from "../../identity/state-files.js";
import { type Log, reasonOf } from "../../log.js";
import { runProgram } from "../../run/process.js";
import type { System } from "../../system.js";
import type { PostgresSettings } from "../settings.js";
import { ask, clientConfig } from "./connection.js";
import { type ControlData, readControlData } from "./control-data.js";
import { parseLsn } from "./lsn.js";
import type { ServerFiles } from "./server-files.js";

export interface JoinParts {
  readonly settings: PostgresSettings;
  readonly files: ServerFiles;
  readonly system: System;
  readonly log: Log;
  readonly divergentDirectory: string;
  readonly epoch: Epoch;
  readonly source: NodeId;
  readonly rewindable: boolean;
  readonly signal: AbortSignal;
  /** Throws when something else is wanted. */
  readonly still: () => void;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<Lsn>;
  readonly runs: () => boolean;
}

/** A replica whose log fits streams within this time. */
const STREAMS_MS = 5_000;
/** A copy of a large database takes hours. */
const COPY_MS = 24 * 3_600_000;
/** Files of the log that are laid aside at most: a gigabyte. */
const ASIDE_MAX = 64;

const copied = ["in archive recovery", "shut down in recovery"];

/** Answers where the log is once it streams. Throws when none of the ways leads there. */
export async function joinSource(parts: JoinParts): Promise<Lsn> {
  const { settings, files, log, source, epoch, still } = parts;
  if (parts.runs()) await parts.stop();
  still();
  const owner = livingPostmaster(settings.dataDirectory);
  if (owner !== undefined) throw new Error(`${settings.dataDirectory}: process ${owner} runs on it`);
  const control = files.present
    ? await readControlData(settings.binDirectory, settings.dataDirectory)
    : undefined;
  const fits = control !== undefined && parts.rewindable;
  if (fits && (copied.includes(control.state) || control.state === "shut down")) {
    const lsn = await streamAsIs(parts);
    if (lsn !== undefined) return lsn;
    await parts.stop();
    still();
  }
  if (control !== undefined && !copied.includes(control.state)) layAside(parts, control);
  if (fits && !copied.includes(control.state) && (await rewind(parts, control))) {
    const lsn = await streamAsIs(parts);
    if (lsn !== undefined) return lsn;
    await parts.stop();
    still();
  }
  log("warn", "the data is taken anew from the primary", { source, epoch });
  await copyAnew(parts);
  still();
  const lsn = await streamAsIs(parts);
  if (lsn === undefined) throw new Error(`the copy of ${source} does not stream`);
  return lsn;
}

/** Whoever has the data directory now; what is alive is never rewound or replaced. */
function livingPostmaster(dataDirectory: string): number | undefined {
  const pid = Number(readIfThere(join(dataDirectory, "postmaster.pid"))?.split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const name = readIfThere(`/proc/${pid}/comm`)?.trim();
  return name === "postgres" ? pid : undefined;
}

/** Undefined when it does not stream in time: its log does not fit, or is too old. */
async function streamAsIs(parts: JoinParts): Promise<Lsn | undefined> {
  const { files, system, still, log, source } = parts;
  try {
    await parts.start();
  } catch (error) {
    still();
    log("warn", "did not start as a replica", { source, because: reasonOf(error) });
    return undefined;
  }
  const until = system.clock.monotonic() + STREAMS_MS;
  let because = "its receiver does not stream";
  while (system.clock.monotonic() < until && parts.runs()) {
    still();
    const lsn = await ask(files, 2_000, async (asks) => {
      const [row] = await asks(
        `select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text as lsn
         from pg_stat_wal_receiver where status = 'streaming' and latest_end_lsn is not null`,
      );
      return parseLsn(typeof row?.["lsn"] === "string" ? row["lsn"] : undefined);
    }).catch((error: unknown) => {
      because = reasonOf(error);
      return undefined;
    });
    if (lsn !== undefined) return lsn;
    await system.timers.sleep(50);
  }
  log("info", "does not stream as it is", {
    source,
    because: parts.runs() ? because : "the server has ended",
  });
  return undefined;
}

async function rewind(parts: JoinParts, control: ControlData): Promise<boolean> {
  const { settings, files, log, source, still } = parts;
  const theirs = await timelineOf(parts);
  still();
  // On its own timeline, or an older one, pg_rewind would find nothing to do where there is much.
  if (theirs === undefined || theirs <= control.timeline) {
    log("warn", "not rewound: the source's timeline is not later", {
      source,
      theirs,
      ours: control.timeline,
    });
    return false;
  }
  // What recovers it first is a server for one user, which must not find itself a standby.
  files.unmarkStandby();
  const end = await asOwner(parts, [
    join(settings.binDirectory, "pg_rewind"),
    `--target-pgdata=${settings.dataDirectory}`,
    `--source-server=${files.connectionTo(source, "mainstay_rewind") ?? ""} dbname=postgres`,
    "--config-file",
    files.configFile,
  ]);
  files.markStandby();
  still();
  log(end.ok ? "info" : "warn", end.ok ? "rewound to where the logs part" : "could not be rewound", {
    source,
    output: end.output,
  });
  return end.ok;
}

async function timelineOf({ settings, files, source, log }: JoinParts): Promise<number | undefined> {
  const at = settings.peers.find(({ name }) => name === source)?.postgres;
  if (at === undefined) return undefined;
  const { default: pg } = await import("pg");
  const client = new pg.Client({ ...clientConfig(files, "mainstay-failover"), ...at, query_timeout: 5_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ timeline: number }>(
      "select timeline_id as timeline from pg_control_checkpoint()",
    );
    return rows[0]?.timeline;
  } catch (error) {
    log("warn", "the source's timeline could not be asked for", { source, because: reasonOf(error) });
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Beside the old data, which goes only when the new is whole. */
async function copyAnew(parts: JoinParts): Promise<void> {
  const { settings, files, source, still, log } = parts;
  const { dataDirectory, binDirectory } = settings;
  const fresh = `${dataDirectory}.mainstay-new`;
  const old = `${dataDirectory}.mainstay-old`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  if (files.user !== undefined) chownSync(fresh, files.user.uid, files.user.gid);
  const end = await asOwner(parts, [
    join(binDirectory, "pg_basebackup"),
    `--pgdata=${fresh}`,
    `--dbname=${files.connectionTo(source, "mainstay_copy") ?? ""}`,
    "--checkpoint=fast",
    "--wal-method=stream",
    "--no-password",
  ]);
  if (!end.ok) {
    rmSync(fresh, { recursive: true, force: true });
    throw new Error(`pg_basebackup from ${source}: ${end.output}`);
  }
  still();
  rmSync(old, { recursive: true, force: true });
  if (existsSync(dataDirectory)) renameSync(dataDirectory, old);
  renameSync(fresh, dataDirectory);
  files.markStandby();
  rmSync(old, { recursive: true, force: true });
  log("info", "the data was taken anew", { source });
}

/** The files of the log that nobody else may have, and what is known of them. What was laid aside before goes. */
function layAside(
  { settings, divergentDirectory, epoch, source, log }: JoinParts,
  control: ControlData,
): void {
  try {
    const folder = join(settings.dataDirectory, "pg_wal");
    const timeline = control.redoFile.slice(0, 8);
    const names = readdirSync(folder)
      .filter((name) => /^[0-9A-F]{24}$/.test(name) && name.startsWith(timeline) && name >= control.redoFile)
      .sort()
      .slice(0, ASIDE_MAX);
    rmSync(divergentDirectory, { recursive: true, force: true });
    mkdirSync(divergentDirectory, { recursive: true, mode: 0o700 });
    for (const name of names) copyFileSync(join(folder, name), join(divergentDirectory, name));
    const facts = { epoch, source, ...control, files: names.length };
    writeFileSync(join(divergentDirectory, "about.json"), `${JSON.stringify(facts, undefined, 2)}\n`, {
      mode: 0o600,
    });
    log("info", "laid the end of the old log aside", { directory: divergentDirectory, files: names.length });
  } catch (error) {
    log("warn", "the end of the old log could not be laid aside", { because: reasonOf(error) });
  }
}

async function asOwner(
  { files, signal }: JoinParts,
  argv: readonly string[],
): Promise<{ readonly ok: boolean; readonly output: string }> {
  const { user } = files;
  const as = user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
  let output = "";
  const end = await runProgram({
    argv: ["setpriv", ...as, "--pdeathsig", "KILL", "--", ...argv],
    timeoutMs: COPY_MS,
    signal,
    output: (_stream, text) => {
      output = `${output}${text}`.slice(-2_000);
    },
  });
  const ok = end.kind === "exited" && end.exitCode === 0;
  return { ok, output: ok ? output.trim() : `${JSON.stringify(end)} ${output.trim()}` };
}
