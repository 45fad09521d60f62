/** A cluster of real PostgreSQL servers under real guards, with real reducers; only what carries messages is a test's. */
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentEffect } from "@mainstay/proto/failover/agent-state";
import { bootControl, stepControl } from "@mainstay/proto/failover/control";
import type { ControlEvent, ControlState } from "@mainstay/proto/failover/control-state";
import { firstCluster, type LogRecord } from "@mainstay/proto/failover/decision";
import type { Message } from "@mainstay/proto/failover/messages";
import { type FailoverPolicy, localPolicy } from "@mainstay/proto/failover/policy";
import { CONTROL_PLANE, type VoterId } from "@mainstay/proto/failover/words";
import { build } from "esbuild";
import pg from "pg";
import { readIfThere } from "../../identity/state-files.js";
import type { Log } from "../../log.js";
import { hostMonotonic, realSystem } from "../../system.js";
import { freePort } from "../../testing/free-port.js";
import { DatabaseExecutor } from "../executor/executor.js";
import { ServerFiles } from "../executor/server-files.js";
import { KeptFile } from "../kept-file.js";
import type { PostgresSettings } from "../settings.js";
import { FailoverShell } from "../shell.js";

/** Where PostgreSQL is with all its tools. Throws when it is nowhere. */
export function findPostgres(): string {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root) : [];
  const tools = ["postgres", "initdb", "pg_rewind", "pg_basebackup"];
  const found = versions
    .map((version) => join(root, version, "bin"))
    .find((bin) => tools.every((name) => existsSync(join(bin, name))));
  if (found === undefined)
    throw new Error(`no PostgreSQL with pg_rewind in ${root}: Debian package postgresql`);
  return found;
}

/** PostgreSQL refuses to be root. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

export interface RealNode {
  readonly name: string;
  readonly settings: PostgresSettings;
  shell: FailoverShell;
  executor: DatabaseExecutor;
  alive: boolean;
}

export class RealCluster {
  readonly directory = mkdtempSync(join(tmpdir(), "mainstay-failover-"));
  readonly nodes = new Map<string, RealNode>();
  readonly records: LogRecord[] = [];
  readonly lines: string[] = [];
  readonly cut = new Set<string>();
  readonly #bin: string;
  policy: FailoverPolicy = localPolicy(["db-1", "db-2"], { mode: "synchronous", rpoBytes: 0 });
  #control: ControlState | undefined;
  #ticking = (): void => {};
  readonly #guard = join(this.directory, "guard.mjs");

  constructor(bin: string) {
    this.#bin = bin;
  }

  /** db-1 is the primary of a new database; db-2 has no data yet. */
  async start(chosen: Parameters<typeof localPolicy>[1]): Promise<void> {
    const names = ["db-1", "db-2"];
    this.policy = localPolicy(names, chosen);
    if (nobody !== undefined) chownSync(this.directory, nobody.uid, nobody.gid);
    await build({
      entryPoints: [join(import.meta.dirname, "..", "guard", "main.ts")],
      outfile: this.#guard,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      conditions: ["mainstay-source"],
      logLevel: "error",
    });
    const ports = new Map<string, number>();
    for (const name of names) ports.set(name, await freePort());
    for (const name of names) {
      const dataDirectory = join(this.directory, name);
      mkdirSync(dataDirectory, { mode: 0o700 });
      if (nobody !== undefined) chownSync(dataDirectory, nobody.uid, nobody.gid);
      if (name === "db-1") {
        execFileSync(
          join(this.#bin, "initdb"),
          ["-D", dataDirectory, "-U", "postgres", "-A", "trust", "-N"],
          {
            ...nobody,
            stdio: "ignore",
            env: { PATH: process.env["PATH"], LANG: "C", HOME: this.directory },
          },
        );
      }
      const settings: PostgresSettings = {
        cluster: "main",
        dataDirectory,
        binDirectory: this.#bin,
        configFile: join(dataDirectory, "postgresql.conf"),
        host: this.directory,
        port: ports.get(name) ?? 0,
        user: "postgres",
        passwordFile: undefined,
        listen: { host: "127.0.0.1", port: 0 },
        peers: names
          .filter((other) => other !== name)
          .map((other) => ({
            name: other,
            agent: { host: "127.0.0.1", port: 0 },
            postgres: { host: "127.0.0.1", port: ports.get(other) ?? 0 },
          })),
        firstPrimary: "db-1",
        policy: this.policy,
      };
      this.bootNode(name, settings);
    }
    this.bootControl();
  }

  bootControl(): void {
    let kept = this.#control?.kept ?? firstCluster("db-1");
    kept = { ...kept };
    this.#control = bootControl(this.policy, kept, hostMonotonic());
    this.#ticking();
    this.#ticking = realSystem.timers.every(100, () => this.tellControl({ kind: "tick" }));
  }

  stopControl(): void {
    this.#ticking();
    this.#ticking = () => {};
    this.cut.add(CONTROL_PLANE);
  }

  tellControl(event: ControlEvent): void {
    if (this.#control === undefined || this.cut.has(CONTROL_PLANE)) return;
    const step = stepControl(this.policy, this.#control, event, hostMonotonic());
    this.#control = step.state;
    for (const record of step.records) this.lines.push(`record ${JSON.stringify(record)}`);
    this.records.push(...step.records);
    if (event.kind === "switchover" || event.kind === "force") this.lines.push(`control: ${step.because}`);
    for (const effect of step.effects) {
      if (effect.kind === "send") this.carry(CONTROL_PLANE, effect.to, effect.message);
      else if (effect.kind === "route") {
        setTimeout(() => this.tellControl({ kind: "routed", epoch: effect.epoch }), 1);
      } else if (effect.kind === "page") this.lines.push(`page ${effect.because}`);
    }
  }

  get control(): ControlState | undefined {
    return this.#control;
  }

  bootNode(name: string, settings: PostgresSettings): void {
    const stateDirectory = join(this.directory, `${name}-state`);
    const log: Log = (level, sentence, facts) => {
      this.lines.push(`${hostMonotonic().toFixed(0)} ${name} ${level} ${sentence} ${JSON.stringify(facts)}`);
    };
    const files = new ServerFiles(settings, name, nobody);
    const keptFile = new KeptFile(stateDirectory, "main", name, "db-1");
    const executor = new DatabaseExecutor({
      settings,
      node: name,
      files,
      guardProgram: this.#guard,
      logFile: join(stateDirectory, "postgres.log"),
      divergentDirectory: join(stateDirectory, "divergent"),
      system: realSystem,
      log,
      rewindable: () => shell.kept?.began === shell.kept?.opened,
      tell: (event) => {
        if (node.alive) shell.take(event);
      },
    });
    const shell: FailoverShell = new FailoverShell({
      policy: this.policy,
      node: name,
      first: files.present ? keptFile.first : { ...keptFile.first, joining: true },
      boot: keptFile.boot,
      monotonic: hostMonotonic,
      timers: realSystem.timers,
      log,
      keep: (kept) => keptFile.write(kept),
      send: (to, message) => this.carry(name, to, message),
      perform: (effect: Exclude<AgentEffect, { kind: "send" }>) => executor.perform(effect),
      fence: () => executor.fence(),
    });
    const node: RealNode = { name, settings, shell, executor, alive: true };
    this.nodes.set(name, node);
    shell.start();
  }

  carry(from: VoterId, to: VoterId, message: Message): void {
    setTimeout(() => {
      if (this.cut.has(from) || this.cut.has(to)) return;
      if (from !== CONTROL_PLANE && this.nodes.get(from)?.alive !== true) return;
      if (to === CONTROL_PLANE) this.tellControl({ kind: "message", from, message });
      else {
        const node = this.nodes.get(to);
        if (node?.alive === true) node.shell.take({ kind: "message", from, message });
      }
    }, 1);
  }

  node(name: string): RealNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** The host has no power: guard and PostgreSQL are killed, and nobody acts for it any more. */
  loseNode(name: string): void {
    const node = this.node(name);
    node.alive = false;
    node.shell.stop();
    // The guard's argument names the data directory; it is the parent, and the kernel takes its children along.
    for (const pid of processesOn(node.settings.dataDirectory)) process.kill(pid, "SIGKILL");
    void node.executor.stop();
  }

  /** The postmaster alone is killed; its guard and its agent live. */
  crashDatabase(name: string): void {
    process.kill(this.postmaster(name), "SIGKILL");
  }

  /** The replica's processes stand still, and their connections stand. */
  freeze(name: string): void {
    const postmaster = this.postmaster(name);
    const children = readIfThere(`/proc/${postmaster}/task/${postmaster}/children`) ?? "";
    for (const pid of children.split(" ").filter(Boolean).map(Number)) process.kill(pid, "SIGSTOP");
  }

  postmaster(name: string): number {
    const { dataDirectory } = this.node(name).settings;
    return Number(readIfThere(join(dataDirectory, "postmaster.pid"))?.split("\n")[0]);
  }

  async position(name: string): Promise<number> {
    const [row] = await this.query(name, "select (pg_current_wal_insert_lsn() - '0/0')::float8 as at");
    return Number(row?.["at"]);
  }

  returnNode(name: string): void {
    this.bootNode(name, this.node(name).settings);
  }

  async query(name: string, text: string, ms = 2_000): Promise<readonly Record<string, unknown>[]> {
    const { host, port } = this.node(name).settings;
    const client = new pg.Client({
      host,
      port,
      user: "postgres",
      database: "postgres",
      connectionTimeoutMillis: 500,
      query_timeout: ms,
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      client.end().catch(() => undefined);
    }
  }

  role(name: string): string | undefined {
    return this.node(name).alive ? this.node(name).shell.figures?.role : undefined;
  }

  async until(holds: () => boolean | Promise<boolean>, what: string, ms = 60_000): Promise<void> {
    const by = hostMonotonic() + ms;
    for (;;) {
      if (await Promise.resolve(holds()).catch(() => false)) return;
      if (hostMonotonic() > by) {
        const states = [...this.nodes.values()].map(
          ({ name, shell }) => `${name} ${JSON.stringify(shell.figures)}`,
        );
        const logs = [...this.nodes.keys()].map((name) =>
          (readIfThere(join(this.directory, `${name}-state`, "postgres.log")) ?? "").slice(-4_000),
        );
        const told = [...this.lines.slice(-60), ...states, ...logs].join("\n");
        throw new Error(`not within ${ms} ms: ${what}\n${told}`);
      }
      await realSystem.timers.sleep(20);
    }
  }

  async stop(): Promise<void> {
    this.#ticking();
    for (const node of this.nodes.values()) {
      node.alive = false;
      node.shell.stop();
    }
    await Promise.all([...this.nodes.values()].map(({ executor }) => executor.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function processesOn(dataDirectory: string): readonly number[] {
  const found = spawnSync("pgrep", ["-f", `-D ${dataDirectory} -c`], { encoding: "utf8" });
  return found.stdout.split("\n").filter(Boolean).map(Number);
}
