/** Two real PostgreSQL servers under failover: db-1 with a new database, db-2 without data; their agents run them. */
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { freePorts } from "./ports.js";
import type { Stack } from "./stack.js";

const MEMBERS = ["db-1", "db-2"] as const;
/** A busy host must not lose it by being slow. */
export const LEASE_MS = 6_000;
export type Member = (typeof MEMBERS)[number];
/** PostgreSQL refuses to be root. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** Where PostgreSQL is with all its tools, as Debian's package has them. Throws when it is nowhere. */
export function findPostgres(): string {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root) : [];
  const found = versions
    .map((version) => join(root, version, "bin"))
    .find((bin) => ["postgres", "pg_rewind", "pg_basebackup"].every((name) => existsSync(join(bin, name))));
  if (found === undefined)
    throw new Error(`no PostgreSQL with pg_rewind in ${root}: Debian package postgresql`);
  return found;
}

export class PostgresPair {
  readonly #stack: Stack;
  readonly #ports: Readonly<Record<Member, number>>;
  readonly #directory: string;

  private constructor(stack: Stack, directory: string, ports: Readonly<Record<Member, number>>) {
    this.#stack = stack;
    this.#directory = directory;
    this.#ports = ports;
  }

  /** Makes the database, and starts both agents. The cluster's name is `main`; commits wait for the replica. */
  static async start(stack: Stack): Promise<PostgresPair> {
    const bin = findPostgres();
    const directory = join(stack.directory, "pair");
    mkdirSync(directory, { mode: 0o755 });
    const [db1 = 0, db2 = 0, agent1 = 0, agent2 = 0] = await freePorts(4);
    const pair = new PostgresPair(stack, directory, { "db-1": db1, "db-2": db2 });
    for (const folder of [directory, ...MEMBERS.map((member) => join(directory, member))]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (nobody.uid !== undefined) chownSync(folder, nobody.uid, nobody.gid);
    }
    execFileSync(
      join(bin, "initdb"),
      ["-D", join(directory, "db-1"), "-U", "postgres", "-A", "trust", "-N"],
      { ...nobody, stdio: "ignore", env: { PATH: process.env["PATH"], LANG: "C", HOME: directory } },
    );
    const agents = { "db-1": agent1, "db-2": agent2 };
    for (const member of MEMBERS) {
      const other = member === "db-1" ? "db-2" : "db-1";
      await stack.startAgent(member, {
        postgres: {
          cluster: "main",
          dataDirectory: join(directory, member),
          binDirectory: bin,
          host: directory,
          port: pair.#ports[member],
          listen: `127.0.0.1:${agents[member]}`,
          peers: [
            {
              name: other,
              agent: `127.0.0.1:${agents[other]}`,
              postgres: `127.0.0.1:${pair.#ports[other]}`,
            },
          ],
          firstPrimary: "db-1",
          leaseMs: LEASE_MS,
        },
      });
    }
    return pair;
  }

  /** Where others reach its PostgreSQL, as host:port. */
  address(member: Member): string {
    return `127.0.0.1:${this.#ports[member]}`;
  }

  /** The process of its PostgreSQL. */
  postmaster(member: Member): number {
    return Number(readFileSync(join(this.#directory, member, "postmaster.pid"), "utf8").split("\n")[0]);
  }

  /** One statement on a connection of its own. Rejects when it was not acknowledged in time. */
  async query(member: Member, text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new pg.Client({
      host: this.#directory,
      port: this.#ports[member],
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

  /** Its agent is killed; the guard goes with it, and PostgreSQL with the guard. */
  async lose(member: Member): Promise<void> {
    await this.#stack.agent(member).killHard();
  }
}
