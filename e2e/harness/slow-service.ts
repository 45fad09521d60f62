/** A real process that an agent may restart, which notes each of its starts. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./until.js";

export class SlowService {
  readonly #notes: string;
  readonly #pidFile: string;
  readonly #start: readonly string[];

  constructor(directory: string, stopMs: number) {
    mkdirSync(directory, { recursive: true });
    this.#notes = join(directory, "notes");
    this.#pidFile = join(directory, "pid");
    const script = join(import.meta.dirname, "slow-process.mjs");
    this.#start = [process.execPath, script, this.#notes, this.#pidFile, String(stopMs)];
  }

  /** As the agent's policy declares it. */
  get declaration() {
    return {
      restartService: { processes: [{ name: "worker", pidFile: this.#pidFile, start: this.#start }] },
    };
  }

  /** Starts it the first time. */
  async start(): Promise<void> {
    const [command = "", ...args] = this.#start;
    spawn(command, args, { detached: true, stdio: "ignore" }).unref();
    await until("the service's pid file", () => (existsSync(this.#pidFile) ? true : undefined));
  }

  /** How often it noted `what`. */
  count(what: "started" | "stopping"): number {
    return existsSync(this.#notes)
      ? readFileSync(this.#notes, "utf8")
          .split("\n")
          .filter((line) => line.startsWith(what)).length
      : 0;
  }

  stop(): void {
    if (!existsSync(this.#pidFile)) return;
    try {
      process.kill(Number(readFileSync(this.#pidFile, "utf8")), "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}
