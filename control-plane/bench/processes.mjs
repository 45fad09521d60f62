/** What benches start, measure from outside, and stop. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const TICKS_PER_SECOND = 100;

/** The fields of /proc/PID/stat from the state on: field 3 of proc(5) has index 0. Undefined when it ended. */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** CPU seconds of a process so far, its threads included; 0 when it ended. */
export function cpuSeconds(pid) {
  const fields = statOf(pid);
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** CPU seconds of a process and all below it, those that ended counted in their parent. */
export function cpuSecondsOfTree(pid) {
  const parents = new Map();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const fields = statOf(entry);
    if (fields !== undefined) parents.set(Number(entry), Number(fields[1]));
  }
  let seconds = 0;
  const queue = [pid];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const ticks of statOf(next)?.slice(11, 15) ?? []) seconds += Number(ticks) / TICKS_PER_SECOND;
    for (const [child, parent] of parents) if (parent === next) queue.push(child);
  }
  return seconds;
}

/** Bytes of memory that a process has resident. */
export function rssBytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1_024;
}

/** The machine's load averages over 1, 5 and 15 minutes. */
export function loadAverage() {
  return readFileSync("/proc/loadavg", "utf8").split(" ").slice(0, 3).map(Number);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The value below which a share `p` of the values lies; NaN of none. */
export function quantile(values, p) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
}

/** Rows as a table: the first column to the left, the others to the right. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  const cell = (text, column) =>
    column === 0 ? String(text).padEnd(widths[column]) : String(text).padStart(widths[column]);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

/** Programs that were started; `stop` ends them all, the last first. */
export class Programs {
  #running = [];

  constructor() {
    // However this process ends, the others end too.
    process.once("exit", () => {
      for (const program of this.#running) program.kill();
    });
    for (const signal of ["SIGINT", "SIGTERM"]) {
      process.once(signal, () => void this.stop().then(() => process.exit(1)));
    }
  }

  /** Starts a node program that says a line of JSON for each thing that happens, and hears lines of JSON. */
  start(name, args, options = {}) {
    const program = new Program(name, spawn(process.execPath, args, { stdio: "pipe", ...options }));
    this.#running.push(program);
    return program;
  }

  async stop() {
    for (const program of this.#running.reverse()) await program.stop();
    this.#running = [];
  }
}

/** A program's last lines, kept for whoever asks why it ended. */
const LINES_KEPT = 20;

class Program {
  #child;
  #name;
  #ended = false;
  #lines = [];
  #waiting = new Set();

  constructor(name, child) {
    this.#name = name;
    this.#child = child;
    child.once("exit", () => {
      this.#ended = true;
      for (const waiting of this.#waiting) waiting.reject(this.#endedError(waiting.what));
    });
    createInterface({ input: child.stdout }).on("line", (line) => this.#hear(line));
    createInterface({ input: child.stderr }).on("line", (line) => this.#keep(line));
  }

  get pid() {
    return this.#child.pid;
  }

  /** Asks, when there is something to ask, and resolves with the next line of JSON that `wanted` takes. */
  hear(what, wanted, withinMs, question) {
    if (this.#ended) return Promise.reject(this.#endedError(what));
    return new Promise((resolve, reject) => {
      const done = (settle) => (value) => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        settle(value);
      };
      const waiting = { what, wanted, resolve: done(resolve), reject: done(reject) };
      const timer = setTimeout(
        () => waiting.reject(new Error(`${this.#name}: no "${what}" within ${withinMs / 1_000} s`)),
        withinMs,
      );
      this.#waiting.add(waiting);
      if (question !== undefined) this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    });
  }

  /** Tells `listener` of each line of JSON from now on. */
  onSaid(listener) {
    this.#waiting.add({ wanted: (said) => listener(said) === true, resolve: () => {}, reject: () => {} });
  }

  kill() {
    if (!this.#ended) this.#child.kill("SIGTERM");
  }

  async stop() {
    if (this.#ended) return;
    this.kill();
    const killed = setTimeout(() => this.#child.kill("SIGKILL"), 12_000);
    await once(this.#child, "exit");
    clearTimeout(killed);
  }

  #hear(line) {
    this.#keep(line);
    if (!line.startsWith("{")) return;
    const said = JSON.parse(line);
    for (const waiting of this.#waiting) if (waiting.wanted(said)) waiting.resolve(said);
  }

  #keep(line) {
    this.#lines.push(line.slice(0, 2_000));
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
  }

  #endedError(what) {
    return new Error(`${this.#name} ended before "${what}":\n${this.#lines.join("\n")}`);
  }
}
