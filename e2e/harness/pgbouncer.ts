/** A real pgbouncer whose databases lead where an agent says, and clients that write through it without pause. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { freePorts } from "./ports.js";
import { pause, untilTrue } from "./until.js";

export class Pgbouncer {
  readonly port: number;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, port: number, process: ChildProcess) {
    this.#directory = directory;
    this.port = port;
    this.#process = process;
  }

  static async start(directory: string): Promise<Pgbouncer> {
    mkdirSync(directory);
    chmodSync(directory, 0o755);
    const [port = 0] = await freePorts(1);
    const entries = join(directory, "mainstay.ini");
    const file = join(directory, "pgbouncer.ini");
    const settings = [
      ...["listen_addr = 127.0.0.1", `listen_port = ${port}`, "unix_socket_dir ="],
      ...["auth_type = any", "admin_users = admin", "pool_mode = transaction", "server_login_retry = 1"],
    ];
    writeFileSync(file, `%include ${entries}\n[pgbouncer]\n${settings.join("\n")}\n`);
    writeFileSync(entries, "");
    const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
    const child = spawn("/usr/sbin/pgbouncer", [...user, file], { stdio: "ignore" });
    let missing: Error | undefined;
    child.once("error", (error) => {
      missing = error;
    });
    const bouncer = new Pgbouncer(directory, port, child);
    await untilTrue("pgbouncer to answer (Debian package pgbouncer)", async () => {
      if (missing !== undefined) throw missing;
      return (await bouncer.console("SHOW VERSION")).length > 0;
    });
    return bouncer;
  }

  /** As an agent's configuration declares it. */
  poolers(members: readonly { readonly name: string; readonly postgres: string }[]) {
    const url = `postgres://admin@127.0.0.1:${this.port}/pgbouncer`;
    const file = join(this.#directory, "mainstay.ini");
    const databases = [{ name: "app", options: "dbname=postgres user=postgres" }];
    return { cluster: "main", bouncers: [{ url, file }], databases, members };
  }

  async console(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = this.#client("admin", "pgbouncer");
    try {
      await client.connect();
      return (await client.query<Readonly<Record<string, unknown>>>(text)).rows;
    } finally {
      client.end().catch(() => undefined);
    }
  }

  /** A client of the database, connected. */
  async client(): Promise<pg.Client> {
    const client = this.#client("postgres", "app");
    await client.connect();
    return client;
  }

  #client(user: string, database: string): pg.Client {
    const client = new pg.Client({ host: "127.0.0.1", port: this.port, user, database });
    client.on("error", () => undefined);
    return client;
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}

/** Writes numbers of its own into `t`, one transaction after another, for as long as it is not stopped. */
export class Writers {
  readonly acknowledged: number[] = [];
  readonly errors: string[] = [];
  readonly #running: Promise<void>[];
  #over = false;
  #next = 0;

  constructor(bouncer: Pgbouncer, count: number) {
    this.#running = Array.from({ length: count }, (_, one) => this.#write(bouncer, one % 2 === 0));
  }

  async #write(bouncer: Pgbouncer, inTransaction: boolean): Promise<void> {
    let client: pg.Client | undefined;
    while (!this.#over) {
      this.#next += 1;
      const n = this.#next;
      try {
        client ??= await bouncer.client();
        if (inTransaction) await client.query("begin");
        await client.query(`insert into t values (${n})`);
        if (inTransaction) await client.query("commit");
        this.acknowledged.push(n);
      } catch (error) {
        this.errors.push(`${n}: ${String(error)}`);
        client?.end().catch(() => undefined);
        client = undefined;
        await pause(100);
      }
      await pause(5);
    }
    await client?.end();
  }

  /** Resolves when more was acknowledged than until now. */
  async goOn(more = 20): Promise<void> {
    const until = this.acknowledged.length + more;
    await untilTrue(
      `${more} more acknowledged writes; errors: ${this.errors.slice(-2).join(", ")}`,
      () => this.acknowledged.length >= until,
      90_000,
    );
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }
}
