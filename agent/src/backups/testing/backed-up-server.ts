/** A real PostgreSQL with a table that grows, and a repository of its backups: pgBackRest's, or plain folders. */
import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { realSystem } from "../../system.js";

/** The last one: base backups, beside a log that is received all the time instead of archived by the segment. */
export type BackupTool = "pgbackrest" | "pg_basebackup" | "pg_receivewal";

const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
export const drillUser = nobody === undefined ? (process.env["USER"] ?? "") : "nobody";
const port = 5432;

/** Throws when the tools are nowhere. */
export function findBin(): string {
  const root = "/usr/lib/postgresql";
  const found = (existsSync(root) ? readdirSync(root) : [])
    .map((version) => join(root, version, "bin"))
    .find((bin) =>
      ["postgres", "pg_amcheck", "pg_verifybackup"].every((name) => existsSync(join(bin, name))),
    );
  if (found === undefined)
    throw new Error(`no PostgreSQL with pg_amcheck in ${root}: Debian package postgresql`);
  return found;
}

export class BackedUpServer {
  #directory: string | undefined;
  readonly bin = findBin();
  readonly #tool: BackupTool;
  #server: ReturnType<typeof spawn> | undefined;
  #receiver: ReturnType<typeof spawn> | undefined;
  #receiverSaid = "";

  constructor(tool: BackupTool) {
    this.#tool = tool;
  }

  get path(): { readonly [name in "data" | "repo" | "base" | "wal" | "scratch" | "conf" | "sock"]: string } {
    const at = (name: string): string => join(this.directory, name);
    return {
      data: at("data"),
      repo: at("repo"),
      base: at("base"),
      wal: at("wal"),
      scratch: at("scratch"),
      conf: at("pgbackrest.conf"),
      sock: at("sock"),
    };
  }

  /** Made when it is first needed: tests that are only listed leave nothing. */
  get directory(): string {
    this.#directory ??= mkdtempSync(join(tmpdir(), "mainstay-backup-"));
    return this.#directory;
  }

  /** The `repositories` entry of `actions.restoreDrill`. */
  repository(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const { conf, base, wal, scratch } = this.path;
    return {
      name: "main",
      component: "pg-primary",
      ...(this.#tool === "pgbackrest"
        ? { tool: "pgbackrest", stanza: "main", configFile: conf }
        : { tool: "pg_basebackup", baseDirectory: base, walDirectory: wal }),
      binDirectory: this.bin,
      user: drillUser,
      scratch,
      marker: { database: "postgres", query: "select max(at) from marker" },
      probes: [{ name: "rows", database: "postgres", query: "select count(*) from marker" }],
      ...more,
    };
  }

  /** Resolves when it takes connections, with an empty table `marker`, and its log is archived. */
  async start(): Promise<void> {
    chmodSync(this.directory, 0o755);
    const { data, conf, wal, sock } = this.path;
    for (const folder of [this.directory, ...Object.values(this.path).filter((path) => path !== conf)]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (nobody !== undefined) chownSync(folder, nobody.uid, nobody.gid);
    }
    writeFileSync(
      conf,
      [
        "[global]",
        `repo1-path=${this.path.repo}`,
        `log-path=${this.directory}`,
        `lock-path=${join(this.directory, "lock")}`,
        `spool-path=${this.directory}`,
        "start-fast=y",
        "compress-type=zst",
        "repo1-cipher-type=aes-256-cbc",
        "repo1-cipher-pass=of-a-test",
        "[main]",
        `pg1-path=${data}`,
        `pg1-port=${port}`,
        `pg1-socket-path=${sock}`,
        "pg1-user=postgres",
        "",
      ].join("\n"),
    );
    this.runs("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-k");
    const archive =
      this.#tool === "pgbackrest"
        ? `pgbackrest --config=${conf} --stanza=main archive-push %p`
        : `test ! -f ${wal}/%f && cp %p ${wal}/%f`;
    appendFileSync(
      join(data, "postgresql.conf"),
      [
        `port=${port}`,
        "listen_addresses=''",
        `unix_socket_directories='${sock}'`,
        `archive_mode=${this.#tool === "pg_receivewal" ? "off" : "on"}`,
        `archive_command='${archive}'`,
        "fsync=off",
        "",
      ].join("\n"),
    );
    this.#server = spawn(join(this.bin, "postgres"), ["-D", data], {
      ...nobody,
      stdio: "ignore",
      env: { PATH: process.env["PATH"], LANG: "C", HOME: "/" },
    });
    for (let tries = 0; ; tries++) {
      try {
        await this.query(
          "create table marker (n int primary key, at timestamptz not null default clock_timestamp())",
        );
        break;
      } catch (error) {
        if (tries > 200) throw error;
        await realSystem.timers.sleep(50);
      }
    }
    if (this.#tool === "pgbackrest") this.#pgbackrest("stanza-create");
    if (this.#tool !== "pg_receivewal") return;
    const where = ["-h", sock, "-p", String(port), "-U", "postgres"];
    // Without a slot the log that it lacks may go while it is away.
    await this.query("select pg_create_physical_replication_slot('received', true)");
    this.#receiver = spawn(
      join(this.bin, "pg_receivewal"),
      ["-D", wal, "--synchronous", "-s", "1", "-S", "received", ...where],
      {
        ...nobody,
        stdio: ["ignore", "ignore", "pipe"],
        env: { PATH: process.env["PATH"], LANG: "C", HOME: "/" },
      },
    );
    this.#receiver.stderr?.on("data", (bytes: Buffer) => {
      this.#receiverSaid = `${this.#receiverSaid}${bytes}`.slice(-1_000);
    });
    // A base backup may only begin with what is received already.
    await this.received();
  }

  backup(): void {
    if (this.#tool === "pgbackrest") this.#pgbackrest("--type=full", "backup");
    else {
      const label = `base-${readdirSync(this.path.base).length + 1}`;
      this.runs(
        "pg_basebackup",
        "-D",
        join(this.path.base, label),
        "-h",
        this.path.sock,
        "-p",
        String(port),
        "-U",
        "postgres",
        "-X",
        "none",
        "--checkpoint=fast",
        "--no-sync",
      );
    }
  }

  #pgbackrest(...words: readonly string[]): void {
    this.#exec("pgbackrest", [
      `--config=${this.path.conf}`,
      "--stanza=main",
      "--log-level-console=off",
      ...words,
    ]);
  }

  /** A row, and when it was made. */
  async mark(n: number): Promise<Date> {
    const [row] = await this.query(`insert into marker (n) values (${n}) returning at`);
    if (!(row?.["at"] instanceof Date)) throw new Error("the marker has no time");
    return row["at"];
  }

  /** Resolves when all that is written by now is in the log that is received. */
  async received(): Promise<void> {
    const [row] = await this.query("select pg_current_wal_flush_lsn()::text as lsn");
    for (let tries = 0; tries < 400; tries++) {
      const [now] = await this.query(
        `select count(*)::int as n from pg_stat_replication where write_lsn >= '${row?.["lsn"]}'`,
      );
      if (now?.["n"] === 1) return;
      await realSystem.timers.sleep(50);
    }
    const streams = await this.query(
      "select application_name, state, write_lsn::text from pg_stat_replication",
    );
    throw new Error(
      `the log was not received up to ${row?.["lsn"]}: ${JSON.stringify(streams)}, ${this.#receiverSaid}`,
    );
  }

  /** Resolves when all that is written by now is archived. */
  async archived(): Promise<void> {
    const [row] = await this.query("select pg_walfile_name(pg_switch_wal()) as file");
    for (let tries = 0; tries < 400; tries++) {
      const [now] = await this.query("select last_archived_wal as wal from pg_stat_archiver");
      if (String(now?.["wal"] ?? "") >= String(row?.["file"])) return;
      await realSystem.timers.sleep(50);
    }
    throw new Error("the log was not archived");
  }

  async query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new pg.Client({ host: this.path.sock, port, user: "postgres", database: "postgres" });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Readonly<Record<string, unknown>>>(text)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  runs(program: string, ...args: readonly string[]): void {
    this.#exec(join(this.bin, program), args);
  }

  #exec(program: string, args: readonly string[]): void {
    execFileSync(program, args, {
      ...nobody,
      stdio: "ignore",
      cwd: "/",
      env: { PATH: process.env["PATH"], LANG: "C", HOME: "/" },
    });
  }

  async stop(): Promise<void> {
    if (this.#receiver !== undefined && this.#receiver.exitCode === null) {
      const left = new Promise((resolve) => this.#receiver?.once("exit", resolve));
      this.#receiver.kill("SIGINT");
      await left;
    }
    const server = this.#server;
    if (server !== undefined && server.exitCode === null) {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGQUIT");
      await ended;
    }
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }
}
