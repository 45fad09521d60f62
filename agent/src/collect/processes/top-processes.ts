import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { cleanText } from "../clean-text.js";
import type { FoundProcess } from "../reading.js";
import { type ProcessStat, parseProcessStat } from "./process-stat.js";

const TICKS_PER_SECOND = 100;
const NAME_MAX = 64;
/** A host of more processes than this is looked at in part: 20 µs each is what a look costs. */
const PROCESSES_MAX = 10_000;
const PASSWD_BYTES_MAX = 1_048_576;

interface Seen {
  readonly pid: number;
  readonly stat: ProcessStat;
  readonly cpuRatio: number;
}

/** Which processes use most: the first by CPU since the last look, and the first by memory. */
export class TopProcesses {
  readonly #proc: string;
  readonly #count: number;
  readonly #pageBytes: number;
  readonly #buffer = Buffer.allocUnsafeSlow(4_096);
  #ticks = new Map<string, number>();
  #lastMs: number | undefined;
  #users: ReadonlyMap<number, string> = new Map();
  #usersStamp = "";

  constructor(proc: string, count: number, pageBytes: number) {
    this.#proc = proc;
    this.#count = count;
    this.#pageBytes = pageBytes;
  }

  /** One look. `monotonic` is now in ms; the first look knows no CPU use and answers with 0 for it. */
  look(monotonic: number): FoundProcess[] {
    const seconds = this.#lastMs === undefined ? 0 : (monotonic - this.#lastMs) / 1_000;
    this.#lastMs = monotonic;
    const ticks = new Map<string, number>();
    const all: Seen[] = [];
    for (const pid of processIds(this.#proc)) {
      const stat = this.#stat(pid);
      if (stat === undefined) continue;
      const identity = `${pid} ${stat.startTicks}`;
      ticks.set(identity, stat.ticks);
      // A process that was not there last time spent all it has since then, at most.
      const before = this.#ticks.get(identity) ?? (this.#ticks.size === 0 ? stat.ticks : 0);
      const spent = (stat.ticks - before) / TICKS_PER_SECOND;
      all.push({ pid, stat, cpuRatio: seconds > 0 ? spent / seconds : 0 });
    }
    this.#ticks = ticks;
    const byCpu = all.filter(({ cpuRatio }) => cpuRatio > 0).sort((a, b) => b.cpuRatio - a.cpuRatio);
    const byMemory = [...all].sort((a, b) => b.stat.residentPages - a.stat.residentPages);
    const top = new Set([...byCpu.slice(0, this.#count), ...byMemory.slice(0, this.#count)]);
    this.#readUsers();
    return [...top].map((seen) => this.#describe(seen));
  }

  #describe({ pid, stat, cpuRatio }: Seen): FoundProcess {
    return {
      pid,
      name: cleanText(stat.name, NAME_MAX),
      cpuRatio,
      residentBytes: stat.residentPages * this.#pageBytes,
      user: this.#userOf(pid),
    };
  }

  #stat(pid: number): ProcessStat | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(`${this.#proc}/${pid}/stat`, "r");
      return parseProcessStat(this.#buffer, readSync(fd, this.#buffer, 0, this.#buffer.length, 0));
    } catch {
      // It ended since the directory was listed.
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  #userOf(pid: number): string {
    try {
      const { uid } = statSync(`${this.#proc}/${pid}`);
      return cleanText(this.#users.get(uid) ?? String(uid), NAME_MAX);
    } catch {
      return "";
    }
  }

  /** /etc/passwd alone: asking the name service could go over the network, at each look. */
  #readUsers(): void {
    try {
      const { mtimeMs, size } = statSync("/etc/passwd");
      const stamp = `${mtimeMs} ${size}`;
      if (stamp === this.#usersStamp || size > PASSWD_BYTES_MAX) return;
      this.#users = parsePasswd(readFileSync("/etc/passwd", "utf8"));
      this.#usersStamp = stamp;
    } catch {
      // A host without the file has numbers for users.
    }
  }
}

/** User names by number; the first of a number wins, as in the C library. */
export function parsePasswd(text: string): Map<number, string> {
  const users = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , uid] = line.split(":");
    if (name && uid && /^\d+$/u.test(uid) && !users.has(Number(uid))) users.set(Number(uid), name);
  }
  return users;
}

/** The numbers of the processes there are, at most 10,000. */
export function processIds(proc: string): number[] {
  const pids: number[] = [];
  for (const name of readdirSync(proc)) {
    const first = name.charCodeAt(0);
    if (first < 49 || first > 57) continue;
    if (pids.push(Number(name)) === PROCESSES_MAX) break;
  }
  return pids;
}
