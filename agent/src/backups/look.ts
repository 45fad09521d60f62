/** Looks at a repository: which backups there are, and to which moment the newest of them could be rolled forward. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../log.js";
import { withDatabase } from "../run/actions/database-session.js";
import type { RunProgram } from "../run/process.js";
import { asUser } from "./as-user.js";
import type { Backup } from "./backup.js";
import { readInfo, readSegmentTime } from "./pgbackrest-words.js";
import type { Repository, RepositoryTool } from "./repository.js";
import { reachOf } from "./wal-files.js";

/** What the newest restorable moment rests on. */
export type Evidence =
  /** The end of a backup; nothing of the log behind it is there. */
  | "backup"
  /** A segment of the log in the archive. */
  | "archived-log"
  /** A segment that is still received. */
  | "received-log";

export interface RepositoryView {
  /** Oldest first. */
  readonly backups: readonly Backup[];
  /** Commits up to then can be brought back; undefined when there is no backup. */
  readonly newestRestorable: { readonly at: number; readonly evidence: Evidence } | undefined;
  /** Segments that lie beyond a hole of the log. */
  readonly beyondHole: number;
  /** As the database tells of its archiver; undefined when it is not asked. */
  readonly archiver: Archiver | undefined;
  /** What is wrong with it; empty when nothing is. */
  readonly wrong: string;
}

interface Archiver {
  readonly failedCount: number;
  /** Segments that wait to be archived. */
  readonly waiting: number;
}

const toolMs = 60_000;
const outputMax = 4 * 1_048_576;
const filesMax = 200_000;

/** Throws when it cannot be read; the reason names no secret. */
export async function lookAtRepository(repository: Repository, run: RunProgram): Promise<RepositoryView> {
  const { tool } = repository;
  const found =
    tool.kind === "pgbackrest" ? await lookAtStanza(repository, tool, run) : await lookAtFolders(tool);
  const { newest, newestRestorable } = found;
  if (repository.database === undefined || newest === undefined || newestRestorable === undefined)
    return { ...found, archiver: undefined };
  try {
    const source = await askArchiver(repository, newest);
    // A segment that waited long was written long before it came into the archive.
    const at = Math.min(newestRestorable.at, source.writtenAt ?? newestRestorable.at);
    return { ...found, newestRestorable: { ...newestRestorable, at }, archiver: source };
  } catch (error) {
    const wrong = `the database cannot be asked: ${reasonOf(error).slice(0, 200)}`;
    return { ...found, archiver: undefined, wrong: found.wrong || wrong };
  }
}

interface Found extends Omit<RepositoryView, "archiver"> {
  /** The newest segment that is there. */
  readonly newest: string | undefined;
}

async function lookAtStanza(
  repository: Repository,
  tool: Extract<RepositoryTool, { kind: "pgbackrest" }>,
  run: RunProgram,
): Promise<Found> {
  const ask = (...words: readonly string[]): Promise<string> =>
    said(repository, run, [...stanzaCall(tool), "--log-level-console=off", "--output=json", ...words]);
  const { backups, archive, wrong } = readInfo(await ask("info"), tool.stanza);
  const last = backups.at(-1);
  if (last === undefined)
    return { backups, newestRestorable: undefined, newest: undefined, beyondHole: 0, wrong };
  const atLeast = { at: last.endedAt, evidence: "backup" } as const;
  if (archive === undefined || archive.newest.slice(8) <= last.firstSegment.slice(8))
    return { backups, newestRestorable: atLeast, newest: archive?.newest, beyondHole: 0, wrong };
  const folder = `archive/${tool.stanza}/${archive.id}/${archive.newest.slice(0, 16)}`;
  const at = readSegmentTime(await ask("repo-ls", folder), archive.newest);
  return {
    backups,
    newestRestorable: at === undefined || at < last.endedAt ? atLeast : { at, evidence: "archived-log" },
    newest: archive.newest,
    beyondHole: 0,
    wrong,
  };
}

/** The part that every call of pgBackRest begins with. */
export const stanzaCall = (tool: Extract<RepositoryTool, { kind: "pgbackrest" }>): readonly string[] => [
  tool.program,
  `--config=${tool.configFile}`,
  `--stanza=${tool.stanza}`,
  "--log-level-file=off",
];

async function lookAtFolders(tool: Extract<RepositoryTool, { kind: "pg_basebackup" }>): Promise<Found> {
  const backups: Backup[] = [];
  for (const label of (await readdir(tool.baseDirectory)).slice(0, 1_000)) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/.test(label)) continue;
    const backup = await readBaseBackup(join(tool.baseDirectory, label), label);
    if (backup !== undefined) backups.push(backup);
  }
  backups.sort((a, b) => a.endedAt - b.endedAt);
  const last = backups.at(-1);
  if (last === undefined)
    return { backups, newestRestorable: undefined, newest: undefined, beyondHole: 0, wrong: "" };
  const names = (await readdir(tool.walDirectory)).filter((name) => name >= last.firstSegment.slice(0, 8));
  const files = [];
  for (const name of names.slice(-filesMax)) {
    if (!/^[0-9A-F]{24}/.test(name)) continue;
    const { mtimeMs } = await stat(join(tool.walDirectory, name));
    files.push({ name, changedAt: mtimeMs });
  }
  const reach = reachOf(files, last.firstSegment, tool.walSegmentBytes);
  const atLeast = { at: last.endedAt, evidence: "backup" } as const;
  if (reach === undefined || reach.newest.changedAt < last.endedAt) {
    return {
      backups,
      newestRestorable: atLeast,
      newest: undefined,
      beyondHole: reach?.beyond ?? 0,
      wrong: "",
    };
  }
  const { name, changedAt } = reach.newest;
  const evidence = name.includes(".partial") ? "received-log" : "archived-log";
  const wrong = reach.beyond === 0 ? "" : `${reach.beyond} segments lie beyond a hole after ${name}`;
  return {
    backups,
    newestRestorable: { at: changedAt, evidence },
    newest: name.slice(0, 24),
    beyondHole: reach.beyond,
    wrong,
  };
}

/** By what pg_basebackup wrote into it; its manifest is written last, so one without is not whole. */
async function readBaseBackup(folder: string, label: string): Promise<Backup | undefined> {
  try {
    const manifest = await stat(join(folder, "backup_manifest"));
    const text = (await readFile(join(folder, "backup_label"), "utf8")).slice(0, 10_000);
    const firstSegment = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)/m.exec(text)?.[1];
    if (firstSegment === undefined) return undefined;
    const startedAt = Date.parse(`${/^START TIME: (\S+ \S+) (?:UTC|GMT)/m.exec(text)?.[1] ?? ""}Z`);
    const endedAt = manifest.mtimeMs;
    return {
      label,
      type: "full",
      startedAt: Number.isFinite(startedAt) ? startedAt : endedAt,
      endedAt,
      bytes: 0,
      firstSegment,
      faulty: false,
    };
  } catch {
    return undefined;
  }
}

/** How large a base backup is by its own manifest; reading it costs too much to be done all the time. */
export async function manifestBytes(folder: string): Promise<number> {
  const text = await readFile(join(folder, "backup_manifest"), "utf8");
  let bytes = 0;
  for (const [, size] of text.matchAll(/"Size": (\d+)/g)) bytes += Number(size);
  return bytes;
}

async function askArchiver(
  { database }: Repository,
  newest: string,
): Promise<Archiver & { readonly writtenAt: number | undefined }> {
  return withDatabase(database, async (client) => {
    const { rows } = await client.query<{ failed: string; waiting: string; written: string | null }>(
      `select failed_count as failed,
         (select count(*) from pg_ls_archive_statusdir() where name like '%.ready') as waiting,
         (select extract(epoch from modification) * 1000 from pg_ls_waldir() where name = $1) as written
       from pg_stat_archiver`,
      [newest],
    );
    const [row] = rows;
    const written = Number(row?.written ?? Number.NaN);
    return {
      failedCount: Number(row?.failed ?? 0),
      waiting: Number(row?.waiting ?? 0),
      writtenAt: Number.isFinite(written) ? written : undefined,
    };
  });
}

async function said(repository: Repository, run: RunProgram, argv: readonly string[]): Promise<string> {
  let stdout = "";
  let stderr = "";
  const end = await run({
    argv: asUser(repository.user, argv),
    timeoutMs: toolMs,
    output: (stream, text) => {
      if (stream === "stdout" && stdout.length < outputMax) stdout += text;
      if (stream === "stderr") stderr = `${stderr}${text}`.slice(-500);
    },
  });
  if (end.kind !== "exited" || end.exitCode !== 0)
    throw new Error(`${argv[0]}: ${JSON.stringify(end)} ${stderr.trim() || stdout.slice(-500).trim()}`);
  return stdout;
}
