/**
 * A database cluster under failover of which every part has a host of its own: the control plane with its PostgreSQL, and
 * each member with its agent, its guard and its PostgreSQL. Clients write in every failure domain, to every member.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, chownSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { type Acknowledged, judgeWrites, readForks } from "./judge-writes.js";
import { Network } from "./network.js";
import type { Operator } from "./operator.js";
import { freePorts } from "./ports.js";
import { findPostgres } from "./postgres-pair.js";
import { Stack } from "./stack.js";
import { pause, until, untilTrue } from "./until.js";
import { Writer } from "./writer.js";

/** The third failure domain, and a client's. */
export const CONTROL = "control-plane";
const CLUSTER = "main";
/** A busy machine starts, copies and replays slowly; no number is taken from this. */
const PATIENCE_MS = 180_000;
const PAUSE_MS = 20;
const NOTICED_MS = 1_500;
const TRIES_MAX = 5;
/** PostgreSQL refuses to be root, and root it is who parts hosts. */
const NOBODY = { uid: 65_534, gid: 65_534 };

export interface PartedOptions {
  /** @default two */
  readonly members?: readonly string[];
  readonly mode: "synchronous" | "asynchronous";
  readonly leaseMs: number;
  /** @default 0 */
  readonly rpoBytes?: number;
  /** How many replicas hold a write. @default 1 */
  readonly required?: number;
}

export interface ClusterNow {
  readonly primary: string;
  readonly epoch: number;
  readonly phase: string;
  readonly eligible: readonly string[];
}

export class PartedCluster {
  readonly members: readonly string[];
  readonly options: PartedOptions;
  readonly network: Network;
  readonly stack: Stack;
  readonly #directory: string;
  readonly #ports: ReadonlyMap<string, number>;
  #operator: Operator;
  #writers: Writer[] = [];

  private constructor(
    options: PartedOptions,
    network: Network,
    stack: Stack,
    directory: string,
    ports: ReadonlyMap<string, number>,
  ) {
    this.options = options;
    this.members = options.members ?? ["db-1", "db-2"];
    this.network = network;
    this.stack = stack;
    this.#directory = directory;
    this.#ports = ports;
    this.#operator = stack.operator();
  }

  /** The first member is the primary of a new database; the others have no data, and are filled. All is redundant. */
  static async start(options: PartedOptions): Promise<PartedCluster> {
    const members = options.members ?? ["db-1", "db-2"];
    const network = Network.open([CONTROL, ...members]);
    let stack: Stack | undefined;
    try {
      stack = await Stack.start({ network });
      const directory = join(stack.directory, "cluster");
      const ports = await freePorts(members.length * 2);
      const own = new Map(members.map((name, index) => [name, ports[index] ?? 0]));
      const cluster = new PartedCluster(options, network, stack, directory, own);
      await cluster.#build(ports.slice(members.length));
      return cluster;
    } catch (error) {
      await stack?.stop();
      network.close();
      throw error;
    }
  }

  async #build(agentPorts: readonly number[]): Promise<void> {
    const { members, network, stack } = this;
    const { mode, leaseMs, rpoBytes = 0, required = 1 } = this.options;
    const bin = findPostgres();
    const [first = ""] = members;
    for (const folder of ["", ...members]) {
      const path = join(this.#directory, folder);
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, NOBODY.uid, NOBODY.gid);
    }
    const data = join(this.#directory, first);
    execFileSync(join(bin, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-N"], {
      ...NOBODY,
      stdio: "ignore",
      env: { PATH: process.env["PATH"], LANG: "C", HOME: this.#directory },
    });
    const net = `${network.address(first).split(".").slice(0, 3).join(".")}.0/24`;
    appendFileSync(
      join(data, "pg_hba.conf"),
      `host all all ${net} trust\nhost replication all ${net} trust\n`,
    );
    appendFileSync(join(data, "postgresql.conf"), "listen_addresses = '*'\nshared_buffers = 32MB\n");
    const agentPort = new Map(members.map((name, index) => [name, agentPorts[index] ?? 0]));
    for (const member of members) {
      await stack.startAgent(member, {
        postgres: {
          cluster: CLUSTER,
          dataDirectory: join(this.#directory, member),
          binDirectory: bin,
          host: this.#directory,
          port: this.#portOf(member),
          listen: `${network.address(member)}:${agentPort.get(member)}`,
          peers: members
            .filter((other) => other !== member)
            .map((other) => ({
              name: other,
              agent: `${network.address(other)}:${agentPort.get(other)}`,
              postgres: `${network.address(other)}:${this.#portOf(other)}`,
            })),
          firstPrimary: first,
          mode,
          leaseMs,
          rpoBytes,
          required,
        },
      });
    }
    await this.#operator.recovery().registerCluster({
      cluster: CLUSTER,
      members: [...members],
      primary: first,
      mode,
      leaseMs,
      required,
      rpoBytes: BigInt(rpoBytes),
      failoversPerHourMax: 1_000,
    });
    await this.redundant();
    await this.query(
      first,
      "create table marker (writer text, member text, n int, primary key (writer, member, n))",
    );
  }

  #portOf(member: string): number {
    const port = this.#ports.get(member);
    if (port === undefined) throw new Error(`${member} is no member`);
    return port;
  }

  get operator(): Operator {
    return this.#operator;
  }

  async now(): Promise<ClusterNow> {
    const [found] = (await this.#operator.recovery().listClusters({})).clusters;
    if (found === undefined) throw new Error("the cluster is not registered");
    const { primary, epoch, phase, eligible } = found;
    return { primary, epoch: Number(epoch), phase, eligible };
  }

  /** Nothing is under way and every other member is relied on; who the primary is. */
  async redundant(): Promise<string> {
    return until(
      "the cluster to be redundant",
      async () => {
        const { primary, phase, eligible } = await this.now();
        return phase === "" && eligible.length === this.members.length - 1 ? primary : undefined;
      },
      PATIENCE_MS,
    );
  }

  others(member: string): readonly string[] {
    return this.members.filter((other) => other !== member);
  }

  /** Everyone but one, as the network knows them. */
  allBut(host: string): readonly string[] {
    return [CONTROL, ...this.members].filter((other) => other !== host);
  }

  /** One statement, from where nothing is ever cut. Rejects when it was not acknowledged in time. */
  async query(member: string, text: string, withinMs = 5_000): Promise<readonly Record<string, unknown>[]> {
    const stream = new Socket();
    const client = new pg.Client({
      host: this.network.address(member),
      port: this.#portOf(member),
      user: "postgres",
      database: "postgres",
      stream: () => stream,
      connectionTimeoutMillis: 1_000,
      query_timeout: withinMs,
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      client.end().catch(() => undefined);
      stream.destroySoon();
    }
  }

  /** Clients in every failure domain begin to write; each has written to the primary when this resolves. */
  async startWriting(): Promise<void> {
    const to = this.members.map((name) => `${name}=${this.network.address(name)}:${this.#portOf(name)}`);
    this.#writers = [CONTROL, ...this.members].map(
      (host) => new Writer(host, this.network.on(host), PAUSE_MS, to),
    );
    await this.written();
  }

  /** Each client has had a row acknowledged from now on. */
  async written(): Promise<void> {
    const counts = this.#writers.map((writer) => writer.acknowledged.length);
    await untilTrue(
      "every client to write",
      () => this.#writers.every((writer, index) => writer.acknowledged.length > (counts[index] ?? 0) + 5),
      PATIENCE_MS,
    );
  }

  /** What was acknowledged since it was taken last. */
  heard(): readonly Acknowledged[] {
    return this.#writers.flatMap((writer) => writer.acknowledged);
  }

  taken(): readonly Acknowledged[] {
    return this.#writers.flatMap((writer) => writer.acknowledged.splice(0));
  }

  /** What was acknowledged so far is judged no more, and need not be kept. */
  async forget(): Promise<void> {
    const { primary } = await this.rest();
    const taken = this.taken();
    for (const writer of this.#writers) {
      const upTo = taken
        .filter((one) => one.writer === writer.name)
        .reduce((most, { n }) => Math.max(most, n), 0);
      await this.query(
        primary,
        `delete from marker where writer = '${writer.name}' and n <= ${upTo}`,
        30_000,
      );
    }
  }

  /** The markers that are in the table of a member. */
  async present(member: string): Promise<ReadonlySet<string>> {
    const rows = await this.query(
      member,
      "select concat_ws('/', writer, member, n) as marker from marker",
      30_000,
    );
    return new Set(rows.map(({ marker }) => String(marker)));
  }

  /** The history file of the timeline that a member is on; empty for the first. */
  async history(member: string): Promise<string> {
    const [row] = await this.query(
      member,
      `select pg_read_file('pg_wal/' || name || '.history') as text
        from (select substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) as name) t
        where (pg_stat_file('pg_wal/' || name || '.history', true)).size is not null`,
    );
    return String(row?.["text"] ?? "");
  }

  /** The decisions above an epoch, the newest first, and what is wrong with the log of each. */
  async decisionsSince(epoch: number) {
    const { decisions } = await this.#operator.recovery().listDecisions({ cluster: CLUSTER, limit: 50 });
    return Promise.all(
      decisions
        .filter((decision) => Number(decision.epoch) > epoch)
        .map(async (decision) => {
          const told = await this.#operator
            .recovery()
            .explainDecision({ cluster: CLUSTER, epoch: decision.epoch });
          const { kind, candidate, outcome, fencedBy, rtoMs, openAfterMs } = decision;
          return {
            epoch: Number(decision.epoch),
            kind,
            candidate,
            outcome,
            fencedBy,
            rtoMs: rtoMs === undefined ? undefined : Number(rtoMs),
            openAfterMs: openAfterMs === undefined ? undefined : Number(openAfterMs),
            faults: told.faults,
          };
        }),
    );
  }

  async stopWriting(): Promise<readonly Acknowledged[]> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    const taken = this.taken();
    this.#writers = [];
    return taken;
  }

  /** Everyone is relied on, everyone writes, and nothing has changed meanwhile: who the primary is, and since when. */
  async rest(): Promise<{ readonly primary: string; readonly epoch: number; readonly since: number }> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const primary = await this.redundant();
      const since = monotonic();
      const { epoch } = await this.now();
      // What goes on from where it was stopped finds out that it is no primary, and others hear of it.
      await pause(NOTICED_MS);
      await this.written();
      if ((await this.redundant()) === primary && (await this.now()).epoch === epoch) {
        return { primary, epoch, since };
      }
    }
    throw new Error(`the cluster did not come to rest in ${TRIES_MAX} turns`);
  }

  /** At rest, what clients were told since `forget`, against what the primary has, and the decisions above an epoch. */
  async judge(above: number) {
    let last: unknown;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { primary, epoch, since } = await this.rest();
      const acknowledged = this.heard();
      try {
        const present = await this.present(primary);
        const judged = judgeWrites(acknowledged, present, readForks(await this.history(primary)));
        const decisions = await this.decisionsSince(above);
        if ((await this.now()).epoch === epoch) return { primary, since, judged, decisions };
      } catch (error) {
        last = error;
      }
    }
    throw new Error(`what the primary has was not read in ${TRIES_MAX} turns`, { cause: last });
  }

  /** Its agent, its guard and its postmaster, and below that everything that runs for it. */
  processes(member: string): { agent: number; guard: number | undefined; database: readonly number[] } {
    const agent = this.stack.agent(member).pid;
    const guard = childrenOf(agent).find((pid) => commandOf(pid).includes("guard.mjs"));
    const database: number[] = [];
    const open = guard === undefined ? [] : [...childrenOf(guard)];
    for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
      database.push(pid);
      open.push(...childrenOf(pid));
    }
    return { agent, guard, database };
  }

  /** How it stands, for whoever asks why it does not come to rest. */
  async told(): Promise<string> {
    const [view] = (await this.#operator.recovery().listClusters({})).clusters;
    const members = (view?.members ?? []).map(
      ({ node, role, streaming, following, silentMs }) =>
        `${node} ${role}${streaming ? " streaming" : ""} following "${following}", silent for ${silentMs} ms`,
    );
    const decisions = (await this.decisionsSince(0)).slice(0, 5);
    const said = [CONTROL, ...this.members].map((host) => {
      const program = host === CONTROL ? this.stack.controlPlane : this.stack.agent(host);
      return `--- ${host}\n${program.text(60)}`;
    });
    const logs = this.members.map((member) => {
      const log = readFileSync(join(this.stack.agentState(member), "failover/postgres.log"), "utf8");
      return `--- PostgreSQL of ${member}\n${log.slice(-6_000)}`;
    });
    return [
      `\n${view?.primary} in ${view?.epoch}, phase "${view?.phase}", relied on: ${view?.eligible.join(", ")}; ${view?.because}`,
      ...members,
      JSON.stringify(decisions),
      ...said,
      ...logs,
    ].join("\n");
  }

  async stop(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    await this.stack.stop();
    this.network.close();
  }
}

/** CLOCK_MONOTONIC in ms, as writers tell it. */
export const monotonic = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
