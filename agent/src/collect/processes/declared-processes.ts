import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { DeclaredProcess } from "../collect-settings.js";
import type { Columns } from "../columns.js";
import type { HostReader } from "../host/host-reader.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import { processIds } from "./top-processes.js";

const COMMAND_BYTES = 4_096;

interface Watched {
  readonly declared: DeclaredProcess;
  readonly series: Series;
  /** The process that fitted last time: it is asked first, so that a search through all is rare. */
  pid: number | undefined;
}

/** Whether declared processes run: `mainstay_process_up{name}` is 1 or 0. */
export class DeclaredProcesses implements HostReader {
  readonly name = "processes";
  readonly #proc: string;
  readonly #watched: Watched[];
  readonly #buffer = Buffer.allocUnsafeSlow(COMMAND_BYTES);
  readonly #ownPid: number;

  constructor(declared: readonly DeclaredProcess[], proc: string, common: LabelSet, ownPid: number) {
    this.#proc = proc;
    this.#ownPid = ownPid;
    this.#watched = declared.map((one) => ({
      declared: one,
      series: makeSeries("mainstay_process_up", { name: one.name }, common),
      pid: undefined,
    }));
  }

  read(into: Columns): void {
    // Listed at most once a reading, whoever is missing.
    let pids: readonly number[] | undefined;
    for (const watched of this.#watched) {
      const { find } = watched.declared;
      if (find.kind === "pid-file") {
        watched.pid = this.#fromPidFile(find.path);
      } else if (watched.pid === undefined || !this.#fits(watched.pid, find.contains)) {
        pids ??= processIds(this.#proc);
        watched.pid = pids.find((pid) => this.#fits(pid, find.contains));
      }
      into.put(watched.series, watched.pid === undefined ? 0 : 1);
    }
  }

  close(): void {}

  #fromPidFile(path: string): number | undefined {
    try {
      const text = readFileSync(path, "latin1").slice(0, 32);
      const pid = /^\s*([1-9]\d{0,9})\s/u.exec(`${text}\n`)?.[1];
      return pid !== undefined && this.#commandOf(Number(pid)) !== undefined ? Number(pid) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Not the agent itself: its own command line may name the text in its configuration's path. */
  #fits(pid: number, contains: string): boolean {
    return pid !== this.#ownPid && (this.#commandOf(pid)?.includes(contains) ?? false);
  }

  /** The command line with blanks between its words; undefined when there is no such process. A zombie has an empty one. */
  #commandOf(pid: number): string | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(`${this.#proc}/${pid}/cmdline`, "r");
      const length = readSync(fd, this.#buffer, 0, COMMAND_BYTES, 0);
      if (length === 0) return undefined;
      for (let i = 0; i < length; i++) if (this.#buffer[i] === 0) this.#buffer[i] = 32;
      return this.#buffer.toString("utf8", 0, length);
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}
