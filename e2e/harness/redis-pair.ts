/** Real Redis servers that keep their port over a restart, with a directory of their own to save into. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePorts } from "./ports.js";
import { Program } from "./program.js";
import { until } from "./until.js";

export class RedisMember {
  readonly port: number;
  readonly directory: string;
  #program: Program | undefined;

  private constructor(port: number, directory: string) {
    this.port = port;
    this.directory = directory;
  }

  /** A server that is not started yet. Needs redis-server on the PATH (Debian package redis-server). */
  static async make(directory: string): Promise<RedisMember> {
    try {
      execFileSync("redis-server", ["--version"]);
    } catch (cause) {
      throw new Error("this test needs redis-server on the PATH (Debian package redis-server)", { cause });
    }
    mkdirSync(directory, { recursive: true });
    const [port = 0] = await freePorts(1);
    const settings = ["bind 127.0.0.1", `port ${port}`, `dir ${directory}`, 'save ""', "appendonly no"];
    const member = [...settings, "repl-diskless-sync-delay 0"];
    writeFileSync(join(directory, "redis.conf"), `${member.join("\n")}\n`);
    return new RedisMember(port, directory);
  }

  get place(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Its program and arguments, as whoever else starts it needs them. It saves when it is told to. */
  get command(): readonly string[] {
    return ["redis-server", join(this.directory, "redis.conf")];
  }

  /** `follows`: the server whose replica it is. */
  async start(follows?: RedisMember): Promise<void> {
    const [command = "", ...args] = this.command;
    const more = follows === undefined ? [] : ["--replicaof", "127.0.0.1", `${follows.port}`];
    this.#program = new Program({ name: `Redis ${this.port}`, command, args: [...args, ...more] });
    await this.#program.prints(/Ready to accept connections/);
    if (follows === undefined) return;
    await until("the replica to be linked", async () =>
      (await this.info("replication")).includes("master_link_status:up") ? true : undefined,
    );
  }

  async ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.port, "127.0.0.1", {
      lazyConnect: true,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return await work(client);
    } finally {
      client.disconnect();
    }
  }

  info(section: string): Promise<string> {
    return this.ask((client) => client.info(section));
  }

  async role(): Promise<string> {
    return /role:(\w+)/.exec(await this.info("replication"))?.[1] ?? "";
  }

  async killHard(): Promise<void> {
    await this.#program?.killHard();
  }

  async stop(): Promise<void> {
    await this.#program?.stop();
  }
}
