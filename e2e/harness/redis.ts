/** A real Redis of the test's own. */
import { execFileSync } from "node:child_process";
import { freePorts } from "./ports.js";
import { Program } from "./program.js";

export interface RedisServer {
  readonly url: string;
  readonly program: Program;
  stop(): Promise<unknown>;
}

/** Starts redis-server from PATH (Debian package redis-server), in memory only. */
export async function startRedis(): Promise<RedisServer> {
  try {
    execFileSync("redis-server", ["--version"]);
  } catch (cause) {
    throw new Error("this test needs redis-server on the PATH (Debian package redis-server)", { cause });
  }
  const [port = 0] = await freePorts(1);
  const args = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "no",
    "--dir",
    "/tmp",
  ];
  const program = new Program({ name: "Redis", command: "redis-server", args });
  await program.prints(/Ready to accept connections/);
  return { url: `redis://127.0.0.1:${port}`, program, stop: () => program.stop() };
}
