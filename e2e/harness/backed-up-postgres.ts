/** A real PostgreSQL whose log is archived, with a table that grows, and its repository: Debian's pgBackRest. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { until } from "./until.js";

const port = 5432;
/** PostgreSQL refuses to be root. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const userName = process.getuid?.() === 0 ? "nobody" : (process.env["USER"] ?? "");

/** Where PostgreSQL is with all its tools, as Debian's package has them. Throws when it is nowhere. */
function findPostgres(): string {
  const root = "/usr/lib/postgresql";
  const found = (existsSync(root) ? readdirSync(root) : [])
    .map((version) => join(root, version, "bin"))
    .find((bin) => ["postgres", "pg_amcheck"].every((name) => existsSync(join(bin, name))));
  if (found === undefined)
    throw new Error(`no PostgreSQL with pg_amcheck in ${root}: Debian package postgresql`);
  return found;
}

export class BackedUpPostgres {
  readonly #directory: string;
  readonly #bin = findPostgres();
  #server: ReturnType<typeof spawn> | undefined;

  /** `directory` is made; who made what it lies in removes it. */
  constructor(directory: string) {
    if (!existsSync("/usr/bin/pgbackrest")) throw new Error("no pgbackrest: Debian package pgbackrest");
    this.#directory = directory;
  }

  #at(name: string): string {
    return join(this.#directory, name);
  }

  /** An entry of `actions.restoreDrill.repositories`. */
  repository(component: string): Readonly<Record<string, unknown>> {
    return {
      name: "main",
      component,
      tool: "pgbackrest",
      stanza: "main",
      configFile: this.#at("pgbackrest.conf"),
      binDirectory: this.#bin,
      user: userName,
      scratch: this.#at("scratch"),
      marker: { database: "postgres", query: "select max(at) from marker" },
      probes: [{ name: "rows", database: "postgres", query: "select count(*) from marker" }],
    };
  }

  /** Folders of drills that were not taken away. */
  leftovers(): readonly string[] {
    return readdirSync(this.#at("scratch"));
  }

  /** Resolves when it takes connections, with an empty table `marker`, and its log is archived. */
  async start(): Promise<void> {
    for (const folder of [
      this.#directory,
      ...["data", "repo", "scratch", "sock"].map((name) => this.#at(name)),
    ]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      chmodSync(folder, 0o700);
      if (nobody.uid !== undefined) chownSync(folder, nobody.uid, nobody.gid);
    }
    const settings = [
      "[global]",
      `repo1-path=${this.#at("repo")}`,
      `log-path=${this.#directory}`,
      `lock-path=${this.#at("lock")}`,
      `spool-path=${this.#directory}`,
      "start-fast=y",
      "[main]",
      `pg1-path=${this.#at("data")}`,
      `pg1-port=${port}`,
      `pg1-socket-path=${this.#at("sock")}`,
      "pg1-user=postgres",
    ];
    writeFileSync(this.#at("pgbackrest.conf"), `${settings.join("\n")}\n`, { mode: 0o644 });
    this.#run(join(this.#bin, "initdb"), [
      "-D",
      this.#at("data"),
      "-U",
      "postgres",
      "-A",
      "trust",
      "-N",
      "-k",
    ]);
    const server = [
      `port=${port}`,
      "listen_addresses=''",
      `unix_socket_directories='${this.#at("sock")}'`,
      "archive_mode=on",
      `archive_command='/usr/bin/pgbackrest --config=${this.#at("pgbackrest.conf")} --stanza=main archive-push %p'`,
      "fsync=off",
    ];
    appendFileSync(join(this.#at("data"), "postgresql.conf"), `${server.join("\n")}\n`);
    this.#server = spawn(join(this.#bin, "postgres"), ["-D", this.#at("data")], {
      ...nobody,
      stdio: "ignore",
      env: { PATH: process.env["PATH"], LANG: "C", HOME: "/" },
    });
    await until("PostgreSQL to take connections", async () => this.query("select 1"));
    await this.query(
      "create table marker (n int primary key, at timestamptz not null default clock_timestamp())",
    );
    this.#pgbackrest("stanza-create");
  }

  backup(): void {
    this.#pgbackrest("--type=full", "backup");
  }

  /** So many rows more; answers when the last one was made. */
  async mark(count: number): Promise<Date> {
    const [row] = await this.query(
      `insert into marker (n) select coalesce((select max(n) from marker), 0) + i from generate_series(1, ${count}) i
       returning at`,
    );
    if (!(row?.["at"] instanceof Date)) throw new Error("the rows have no time");
    return row["at"];
  }

  /** Resolves when all that is written by now is archived. */
  async archived(): Promise<void> {
    const [row] = await this.query("select pg_walfile_name(pg_switch_wal()) as file");
    await until("the log to be archived", async () => {
      const [now] = await this.query("select last_archived_wal as wal from pg_stat_archiver");
      return String(now?.["wal"] ?? "") >= String(row?.["file"]) ? true : undefined;
    });
  }

  /** One byte in the largest file of the backup is another from now on. */
  flipByte(): void {
    const folder = join(this.#at("repo"), "backup");
    const [largest] = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !/manifest|info/.test(name))
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile())
      .sort((a, b) => statSync(b).size - statSync(a).size);
    if (largest === undefined) throw new Error("there is no backup");
    const bytes = readFileSync(largest);
    const middle = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 0xff, middle);
    writeFileSync(largest, bytes);
  }

  async query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new pg.Client({ host: this.#at("sock"), port, user: "postgres", database: "postgres" });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Readonly<Record<string, unknown>>>(text)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGQUIT");
    await ended;
  }

  #pgbackrest(...words: readonly string[]): void {
    const config = `--config=${this.#at("pgbackrest.conf")}`;
    this.#run("/usr/bin/pgbackrest", [config, "--stanza=main", "--log-level-console=off", ...words]);
  }

  #run(program: string, args: readonly string[]): void {
    execFileSync(program, args, {
      ...nobody,
      stdio: "ignore",
      cwd: "/",
      env: { PATH: process.env["PATH"], LANG: "C", HOME: "/" },
    });
  }
}
