/** A real process of ours: started, listened to, killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { until } from "./until.js";

/** One structured line of a program's log. */
export interface LogLine {
  readonly sentence: string;
  readonly level: string;
  readonly [fact: string]: unknown;
}

/** Programs that are still running, so that no failing test leaves one behind. */
const running = new Set<Program>();
process.on("exit", () => {
  for (const program of running) program.kill("SIGKILL");
});

/** What a program sees of our environment: nothing that configures it, and the mark by which a test run ends what it left. */
function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "MAINSTAY_TEST_RUN"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? ""]])),
  );
}

/** Lines kept for whoever asks why. */
const LINES_MAX = 5_000;

export interface ProgramOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whom it runs as. @default as whoever starts it */
  readonly as?: { readonly uid?: number; readonly gid?: number };
}

export class Program {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #ended: Promise<number | string>;
  #end: number | string | undefined;

  constructor({ name, command, args, env = {}, as = {} }: ProgramOptions) {
    this.name = name;
    this.#child = spawn(command, [...args], {
      env: { ...inherited(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...as,
    });
    running.add(this);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let rest = "";
      stream?.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        this.#lines.push(...lines);
        this.#lines.splice(0, Math.max(0, this.#lines.length - LINES_MAX));
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve(error.message));
      this.#child.on("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
    });
    void this.#ended.then((end) => {
      this.#end = end;
      running.delete(this);
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** What it printed, last lines last. */
  text(lines = LINES_MAX): string {
    return this.#lines.slice(-lines).join("\n");
  }

  /** Its structured lines. */
  log(): readonly LogLine[] {
    return this.#lines.flatMap((line) => {
      try {
        const parsed: unknown = JSON.parse(line);
        return typeof parsed === "object" && parsed !== null && "sentence" in parsed
          ? [parsed as LogLine]
          : [];
      } catch {
        return [];
      }
    });
  }

  /** The first line with this sentence; throws with its last lines when it does not come or the program ends. */
  async says(sentence: string, withinMs = 30_000): Promise<LogLine> {
    try {
      return await until(
        `${this.name} to say "${sentence}"`,
        () => {
          const found = this.log().find((line) => line.sentence === sentence);
          if (found === undefined && this.hasEnded) return null;
          return found;
        },
        withinMs,
      ).then((found) => {
        if (found === null)
          throw new Error(`${this.name} ended with ${this.#end} before it said "${sentence}"`);
        return found;
      });
    } catch (cause) {
      throw new Error(`${this.name}:\n${this.text(30)}`, { cause });
    }
  }

  /** Waits until it has printed something that matches; throws with its last lines when it does not. */
  async prints(pattern: RegExp, withinMs = 20_000): Promise<void> {
    await until(
      `${this.name} to print ${pattern}`,
      () => (pattern.test(this.text()) ? true : undefined),
      withinMs,
    ).catch((cause: unknown) => {
      throw new Error(`${this.name} did not print ${pattern}:\n${this.text(30)}`, { cause });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kill -9, and wait until it is gone. */
  async killHard(): Promise<void> {
    this.kill("SIGKILL");
    await this.#ended;
  }

  /** Asks it to stop; its exit code, or the signal that ended it. */
  async stop(withinMs = 15_000): Promise<number | string> {
    if (this.#end !== undefined) return this.#end;
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), withinMs);
    const end = await this.#ended;
    clearTimeout(timer);
    return end;
  }

  /** Its exit code or signal, whenever it ends by itself. */
  end(): Promise<number | string> {
    return this.#ended;
  }
}
