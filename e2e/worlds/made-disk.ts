/** The disk under an agent's journal, as its lives find it: good, slow to sync, or full. */
import type { Lines } from "../../agent/src/run/journal-file.js";

export class MadeDisk {
  /** What is on it for good, one text for each line. */
  lines: string[] = [];
  state: "good" | "slow" | "full" = "good";
}

interface Held {
  readonly lines: readonly string[];
  done(): void;
}

/** The open file of one life of the agent. Once that life is over nothing of it is written any more. */
export class MadeLines implements Lines {
  readonly #disk: MadeDisk;
  #held: Held[] = [];
  #isOver = false;

  constructor(disk: MadeDisk) {
    this.#disk = disk;
  }

  get bytes(): number {
    return 0;
  }

  append(values: readonly unknown[]): Promise<void> {
    const lines = values.map((value) => JSON.stringify(value));
    if (this.#isOver) return new Promise(() => undefined);
    if (this.#disk.state === "full") return Promise.reject(new Error("no space left on the made disk"));
    if (this.#disk.state === "good" && this.#held.length === 0) {
      this.#disk.lines.push(...lines);
      return Promise.resolve();
    }
    return new Promise((done) => this.#held.push({ lines, done }));
  }

  async replace(make: () => readonly unknown[]): Promise<void> {
    if (this.#isOver) return new Promise(() => undefined);
    if (this.#disk.state !== "good") throw new Error("the made disk is not good");
    this.sync();
    await Promise.resolve();
    if (!this.#isOver) this.#disk.lines = make().map((value) => JSON.stringify(value));
  }

  async close(): Promise<void> {
    this.#isOver = true;
  }

  /** What was held becomes durable. */
  sync(): void {
    for (const { lines, done } of this.#held.splice(0)) {
      this.#disk.lines.push(...lines);
      done();
    }
  }

  /** The process is killed: the first few of what was held reached the disk, nobody was told. */
  die(reached: number): void {
    this.#isOver = true;
    for (const { lines } of this.#held.splice(0).slice(0, reached)) this.#disk.lines.push(...lines);
  }
}
