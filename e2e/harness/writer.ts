/** A client that writes markers from a host of its own: `write-markers.mjs` as a process, and what it was told. */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Acknowledged } from "./judge-writes.js";

// Compiled, this file lies one folder deeper, and the script is not compiled.
const SCRIPT = resolve(
  import.meta.dirname,
  import.meta.dirname.endsWith("dist/harness") ? "../../harness/write-markers.mjs" : "write-markers.mjs",
);

/** What `write-markers.mjs` prints. */
type Line = readonly [
  member: string,
  n: number,
  sentAt: number,
  at: number,
  position: number,
  timeline: number,
];

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class Writer {
  readonly name: string;
  readonly acknowledged: Acknowledged[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  /** `members` are `NAME=HOST:PORT`; `on` is put before the command. */
  constructor(name: string, on: readonly string[], pauseMs: number, members: readonly string[]) {
    this.name = name;
    const [command = process.execPath, ...args] = [...on, process.execPath];
    this.#child = spawn(command, [...args, SCRIPT, name, `${pauseMs}`, ...members], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    running.add(this.#child);
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("a writer was started without its pipe");
    createInterface({ input: stdout }).on("line", (line) => {
      const [member, n, sentAt, at, position, timeline] = JSON.parse(line) as Line;
      const marker = `${name}/${member}/${n}`;
      this.acknowledged.push({ marker, writer: name, n, member, timeline, sentAt, at, position });
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", () => resolve());
      this.#child.on("close", () => resolve());
    });
    void this.#ended.then(() => running.delete(this.#child));
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }
}
