/**
 * A PostgreSQL beside the live one, over restored data: it listens on no address, archives nothing, follows nobody, runs no
 * workers of what was restored, and goes when the agent goes.
 */
import { chownSync, lstatSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "pg";
import { reasonOf } from "../log.js";
import type { ActionContext } from "../run/action.js";
import type { DrillRepository } from "../run/permits/restore-drill.js";
import { asUser, hostUser } from "./as-user.js";

/** The port only names the socket's file. */
const port = 5432;
const pollMs = 50;
const logMax = 4_000;
const statementMs = 300_000;
/** What a server in recovery must have as large as the one that wrote the log. */
const asLarge = [
  "max_connections",
  "max_worker_processes",
  "max_wal_senders",
  "max_prepared_transactions",
  "max_locks_per_transaction",
] as const;

/** Folders of one drill, all below its own. */
export interface ScratchFolders {
  readonly root: string;
  readonly data: string;
  readonly tablespaces: string;
  /** Only its owner reaches it: that is the server's whole access control. */
  readonly socket: string;
}

export function makeScratch(repository: DrillRepository, root: string): ScratchFolders {
  const folders = {
    root,
    data: join(root, "data"),
    tablespaces: join(root, "tablespaces"),
    socket: join(root, "s"),
  };
  const user = hostUser(repository.user);
  for (const folder of Object.values(folders)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
  }
  return folders;
}

/** A link that leads out of the scratch folder would let the server write where live data is; undefined when none does. */
export function linkOutside({ root, data }: ScratchFolders): string | undefined {
  const home = realpathSync(root);
  for (const folder of [data, join(data, "pg_tblspc")]) {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!lstatSync(path).isSymbolicLink()) continue;
      let to = "nowhere";
      try {
        to = realpathSync(path);
      } catch {
        return `${path} leads to what is not there`;
      }
      if (!to.startsWith(`${home}/`)) return `${path} leads to ${to}`;
    }
  }
  return undefined;
}

export interface ScratchServer {
  /** Resolves with why it ended. */
  readonly ended: Promise<string>;
  /** Connects as a superuser. */
  connect(database: string): Promise<Client>;
  stop(): Promise<void>;
}

export const scratchPort = String(port);

/** Starts it; it recovers by itself as `recovery` says. */
export async function startScratchServer(
  repository: DrillRepository,
  folders: ScratchFolders,
  recovery: Readonly<Record<string, string>>,
  context: ActionContext,
): Promise<ScratchServer> {
  const user = hostUser(repository.user);
  const files = {
    config: join(folders.root, "postgresql.conf"),
    hba: join(folders.root, "pg_hba.conf"),
    ident: join(folders.root, "pg_ident.conf"),
  };
  const write = (path: string, text: string): void => {
    writeFileSync(path, text, { mode: 0o600 });
    if (user !== undefined) chownSync(path, user.uid, user.gid);
  };
  write(files.config, "");
  write(files.hba, "local all all trust\n");
  write(files.ident, "");
  // On the command line, for what ALTER SYSTEM once set in the restored data counts for more than any file.
  const settings: Readonly<Record<string, string>> = {
    config_file: files.config,
    hba_file: files.hba,
    ident_file: files.ident,
    data_directory: folders.data,
    external_pid_file: "",
    listen_addresses: "",
    port: String(port),
    unix_socket_directories: folders.socket,
    ssl: "off",
    archive_mode: "off",
    archive_command: "",
    archive_cleanup_command: "",
    recovery_end_command: "",
    primary_conninfo: "",
    primary_slot_name: "",
    synchronous_standby_names: "",
    hot_standby: "on",
    shared_preload_libraries: "",
    session_preload_libraries: "",
    local_preload_libraries: "",
    max_logical_replication_workers: "0",
    shared_buffers: "64MB",
    huge_pages: "off",
    logging_collector: "off",
    log_destination: "stderr",
    log_min_messages: "warning",
    lc_messages: "C",
    ...(await sizesOf(repository, folders, context)),
    ...recovery,
  };
  const argv = [
    join(repository.binDirectory, "postgres"),
    "-D",
    folders.data,
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ];
  const stop = new AbortController();
  let log = "";
  const ended = context
    .runProgram({
      argv: asUser(repository.user, argv),
      timeoutMs: Math.max(1, context.deadline - context.system.clock.monotonic()),
      signal: stop.signal,
      output: (_stream, text) => {
        log = `${log}${text}`.slice(-logMax);
      },
    })
    .then((end) => `${JSON.stringify(end)}; its last words: ${lastWords(log)}`);
  return {
    ended,
    connect: (database) => connect(repository, folders, database),
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

/** What it said last that is worse than a notice. */
function lastWords(log: string): string {
  const lines = log.split("\n").filter((line) => /FATAL|PANIC|ERROR|DETAIL|HINT/.test(line));
  return (lines.length > 0 ? lines.slice(-4).join(" ") : log.slice(-300)).trim().slice(0, 1_000);
}

async function sizesOf(
  repository: DrillRepository,
  { data }: ScratchFolders,
  context: ActionContext,
): Promise<Record<string, string>> {
  let text = "";
  const end = await context.runProgram({
    argv: asUser(repository.user, [join(repository.binDirectory, "pg_controldata"), "-D", data]),
    timeoutMs: 30_000,
    signal: context.signal,
    output: (stream, said) => {
      if (stream === "stdout") text = `${text}${said}`.slice(0, 20_000);
    },
  });
  if (end.kind !== "exited" || end.exitCode !== 0)
    throw new Error(`pg_controldata of what was restored: ${JSON.stringify(end)}`);
  const sizes: Record<string, string> = {};
  for (const name of asLarge) {
    const value = new RegExp(`^${name} setting:\\s+(\\d+)$`, "m").exec(text)?.[1];
    if (value !== undefined) sizes[name] = value;
  }
  return sizes;
}

async function connect(
  { superuser }: DrillRepository,
  { socket }: ScratchFolders,
  database: string,
): Promise<Client> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({
    host: socket,
    port,
    user: superuser,
    database,
    application_name: "mainstay-drill",
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementMs,
    query_timeout: statementMs + 5_000,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** Resolves when it has left recovery and takes writes. Throws when it ended before, or the time is over. */
export async function waitUntilOpen(server: ScratchServer, context: ActionContext): Promise<void> {
  const { clock, timers } = context.system;
  let ended: string | undefined;
  let because = "";
  void server.ended.then((why) => {
    ended = why;
  });
  while (clock.monotonic() < context.deadline && !context.signal.aborted) {
    if (ended !== undefined) throw new Error(`the restored server ended: ${ended}`);
    try {
      if (await isOpen(server)) return;
      because = "it is still in recovery";
    } catch (error) {
      because = reasonOf(error);
    }
    await timers.sleep(pollMs, context.signal);
  }
  throw new Error(context.signal.aborted ? "it was stopped" : `the restored server is not open: ${because}`);
}

async function isOpen(server: ScratchServer): Promise<boolean> {
  const client = await server.connect("postgres");
  try {
    const { rows } = await client.query<{ recovering: boolean }>("select pg_is_in_recovery() as recovering");
    return rows[0]?.recovering === false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
