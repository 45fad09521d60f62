/** A real Patroni cluster of two nodes with a single etcd, on loopback; for tests and for benches. */
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { freePorts } from "./ports.js";
import { Program } from "./program.js";
import { pause, untilTrue } from "./until.js";

/** PostgreSQL refuses to be root. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** Patroni's own times, in seconds: its defaults, and the least that its documentation allows. */
export const PATRONI_TIMES = {
  default: { ttl: 30, loop_wait: 10, retry_timeout: 10 },
  fast: { ttl: 20, loop_wait: 1, retry_timeout: 3 },
} as const;

export interface PatroniOptions {
  /** Where everything lives; whoever PostgreSQL runs as must be able to pass through. */
  readonly directory: string;
  /** @default "fast" */
  readonly profile?: keyof typeof PATRONI_TIMES;
  /** @default "asynchronous" */
  readonly mode?: "synchronous" | "asynchronous";
  /** What Patroni asks of whoever changes something. @default nothing */
  readonly credentials?: { readonly username: string; readonly password: string };
}

export interface PatroniMember {
  readonly name: string;
  readonly host: string;
  /** PostgreSQL's. */
  readonly port: number;
  /** Patroni's REST API. */
  readonly api: string;
}

/** Throws with the package's name for what is missing. */
function findPrograms(): string {
  for (const [program, debianPackage] of [
    ["patroni", "patroni"],
    ["etcd", "etcd-server"],
  ] as const) {
    try {
      execFileSync("which", [program], { stdio: "ignore" });
    } catch (cause) {
      throw new Error(`${program} is not on the PATH (Debian package ${debianPackage})`, { cause });
    }
  }
  const root = "/usr/lib/postgresql";
  const found = (existsSync(root) ? readdirSync(root) : [])
    .map((version) => join(root, version, "bin"))
    .find((bin) => existsSync(join(bin, "pg_rewind")));
  if (found === undefined) throw new Error(`no PostgreSQL in ${root} (Debian package postgresql)`);
  return found;
}

/** The processes whose parent is `pid`, of which PostgreSQL has a dozen. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

export class PatroniCluster {
  readonly scope = "pair";
  readonly members: readonly PatroniMember[];
  readonly #options: PatroniOptions;
  readonly #etcdPorts: readonly [number, number];
  readonly #nodes = new Map<string, Program>();
  #etcd: Program | undefined;
  readonly #atExit = (): void => {
    for (const { name } of this.members) this.#killPostgres(name);
  };

  private constructor(
    options: PatroniOptions,
    members: readonly PatroniMember[],
    etcd: readonly [number, number],
  ) {
    this.#options = options;
    this.members = members;
    this.#etcdPorts = etcd;
    process.on("exit", this.#atExit);
  }

  /** Starts etcd and both nodes; resolves when one is the primary and the other streams from it. */
  static async start(options: PatroniOptions): Promise<PatroniCluster> {
    const bin = findPrograms();
    const [client = 0, peer = 0, ...ports] = await freePorts(6);
    const members = ["pg-1", "pg-2"].map((name, index) => ({
      name,
      host: "127.0.0.1",
      port: ports[index * 2] ?? 0,
      api: `http://127.0.0.1:${ports[index * 2 + 1]}`,
    }));
    const cluster = new PatroniCluster(options, members, [client, peer]);
    try {
      await cluster.controlUp();
      for (const member of members) cluster.#writeConfig(member, bin);
      await cluster.startNode("pg-1");
      await untilTrue("a first primary", async () => (await cluster.primary()) === "pg-1", 60_000);
      await cluster.startNode("pg-2");
      await untilTrue("the replica to stream", () => cluster.ready(), 90_000);
    } catch (error) {
      const told = [...cluster.#nodes.values()].map((node) => `${node.name}:\n${node.text(20)}`).join("\n");
      await cluster.stop();
      throw new Error(`Patroni's cluster did not come up:\n${told}`, { cause: error });
    }
    return cluster;
  }

  member(name: string): PatroniMember {
    const found = this.members.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no member ${name}`);
    return found;
  }

  /** Who holds Patroni's lease and takes writes; undefined when nobody does. */
  async primary(): Promise<string | undefined> {
    for (const { name, api } of this.members) {
      const answer = await fetch(`${api}/primary`, { signal: AbortSignal.timeout(2_000) }).catch(
        () => undefined,
      );
      await answer?.text();
      if (answer?.status === 200) return name;
    }
    return undefined;
  }

  /** What Patroni itself says of the cluster, by the first member that answers. */
  async get(path: "/cluster" | "/history" | "/config" | "/patroni"): Promise<unknown> {
    for (const { api } of this.members) {
      try {
        const answer = await fetch(`${api}${path}`, { signal: AbortSignal.timeout(3_000) });
        return await answer.json();
      } catch {
        // The next one may know.
      }
    }
    throw new Error(`no member of ${this.scope} answers ${path}`);
  }

  /** One statement on a connection of its own. Rejects when it was not acknowledged in time. */
  async query(name: string, text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const { host, port } = this.member(name);
    const client = new pg.Client({
      host,
      port,
      user: "postgres",
      database: "postgres",
      connectionTimeoutMillis: 1_000,
      query_timeout: 2_000,
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Readonly<Record<string, unknown>>>(text)).rows;
    } finally {
      client.end().catch(() => undefined);
    }
  }

  /** Whether a replica streams from the primary. */
  async redundant(): Promise<boolean> {
    const primary = await this.primary();
    if (primary === undefined) return false;
    const [row] = await this.query(
      primary,
      // A copy that is being made streams, too, under another name.
      "select count(*)::int as n from pg_stat_replication where state = 'streaming' and application_name like 'pg-_'",
    ).catch(() => []);
    return Number(row?.["n"] ?? 0) > 0;
  }

  /** The node is gone at once: its agent and its PostgreSQL. */
  async killNode(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    node?.kill("SIGKILL");
    this.#killPostgres(name);
    await node?.end();
  }

  /** Only the postmaster is gone; its children notice within a moment. */
  async crashPostgres(name: string): Promise<void> {
    const pid = this.#postmasterOf(name);
    if (pid !== undefined) killNow(pid);
  }

  /** A replica streams, and Patroni itself would hand over to it: synchronous, only once it has written down that it may. */
  async ready(): Promise<boolean> {
    if (!(await this.redundant())) return false;
    const seen = JSON.stringify(await this.get("/cluster"));
    const role = this.#options.mode === "synchronous" ? "sync_standby" : "replica";
    return new RegExp(`"role":"${role}","state":"(?:running|streaming)"[^}]*"lag":0`).test(seen);
  }

  /** Its agent starts, with the data it has; does not wait. */
  async startNode(name: string): Promise<void> {
    const program = new Program({
      name: `Patroni ${name}`,
      command: "patroni",
      args: [this.#file(`${name}.yml`)],
      env: { LANG: "C", HOME: this.#options.directory },
      as: nobody,
    });
    this.#nodes.set(name, program);
  }

  /** A planned change of the owner, by Patroni's own door. Resolves when Patroni says how it went; throws when badly. */
  async switchover(to: string): Promise<void> {
    const leader = await this.primary();
    const { credentials } = this.#options;
    const told = credentials && Buffer.from(`${credentials.username}:${credentials.password}`);
    const answer = await fetch(`${this.member(to).api}/switchover`, {
      method: "POST",
      headers: told === undefined ? {} : { authorization: `Basic ${told.toString("base64")}` },
      body: JSON.stringify({ leader, candidate: to }),
    });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`switchover to ${to}: ${answer.status} ${text}`);
  }

  /** etcd is gone at once. */
  async controlDown(): Promise<void> {
    await this.#etcd?.killHard();
  }

  /** etcd starts with the data it has; resolves when it answers. */
  async controlUp(): Promise<void> {
    const [client, peer] = this.#etcdPorts;
    const at = `http://127.0.0.1:${client}`;
    const peers = `http://127.0.0.1:${peer}`;
    this.#etcd = new Program({
      name: "etcd",
      command: "etcd",
      args: [
        ...["--name", "only", "--data-dir", this.#file("etcd"), "--logger", "zap"],
        ...["--listen-client-urls", at, "--advertise-client-urls", at],
        ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers],
        ...["--initial-cluster", `only=${peers}`],
      ],
    });
    await untilTrue("etcd to answer", async () => {
      const answer = await fetch(`${at}/health`, { signal: AbortSignal.timeout(1_000) });
      return (await answer.text()).includes("true");
    });
  }

  /** What a node's agent printed last. */
  text(name: string, lines = 40): string {
    return this.#nodes.get(name)?.text(lines) ?? "";
  }

  /** Takes all down; leaves nothing behind but the directory. */
  async stop(): Promise<void> {
    for (const { name } of this.members) await this.killNode(name);
    await this.#etcd?.killHard();
    process.off("exit", this.#atExit);
    // Its children notice that the postmaster is gone within a moment, and write until then.
    await pause(100);
  }

  #file(name: string): string {
    return join(this.#options.directory, name);
  }

  /** Undefined when it does not run. */
  #postmasterOf(name: string): number | undefined {
    try {
      const pid = Number(readFileSync(this.#file(`${name}/postmaster.pid`), "utf8").split("\n")[0]);
      // The number may be another's by now.
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "postgres" ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  #killPostgres(name: string): void {
    const pid = this.#postmasterOf(name);
    if (pid === undefined) return;
    for (const each of [pid, ...childrenOf(pid)]) killNow(each);
  }

  #writeConfig({ name, port, api }: PatroniMember, bin: string): void {
    const { directory, profile = "fast", mode = "asynchronous", credentials } = this.#options;
    for (const folder of [directory, this.#file(name)]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (nobody.uid !== undefined) chownSync(folder, nobody.uid, nobody.gid);
    }
    const listen = new URL(api).host;
    const config = {
      scope: this.scope,
      name,
      restapi: {
        listen,
        connect_address: listen,
        ...(credentials === undefined ? {} : { authentication: credentials }),
      },
      etcd3: { host: `127.0.0.1:${this.#etcdPorts[0]}` },
      bootstrap: {
        dcs: {
          ...PATRONI_TIMES[profile],
          maximum_lag_on_failover: 1_048_576,
          ...(mode === "synchronous" ? { synchronous_mode: true } : {}),
          postgresql: { use_pg_rewind: true, use_slots: true, parameters: { wal_log_hints: "on" } },
        },
        initdb: [{ encoding: "UTF8" }, "data-checksums", { locale: "C" }],
      },
      postgresql: {
        listen: `127.0.0.1:${port}`,
        connect_address: `127.0.0.1:${port}`,
        data_dir: this.#file(name),
        bin_dir: bin,
        pgpass: this.#file(`${name}.pgpass`),
        authentication: {
          superuser: { username: "postgres", password: "of-the-superuser" },
          replication: { username: "replicator", password: "of-the-replicas" },
        },
        parameters: { unix_socket_directories: directory },
        pg_hba: [
          "local all all trust",
          "host all all 127.0.0.1/32 trust",
          "host replication all 127.0.0.1/32 trust",
        ],
        basebackup: [{ checkpoint: "fast" }],
      },
    };
    // JSON is YAML.
    writeFileSync(this.#file(`${name}.yml`), JSON.stringify(config), { mode: 0o644 });
  }
}
