import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { ProcFile } from "./proc-file.js";

const KIB = 1_024;

/** The name that node_exporter gives a line of /proc/meminfo: `Active(anon)` in kB is `node_memory_Active_anon_bytes`. */
export function memoryMetricName(key: string, isKib: boolean): string {
  const word = key.replace(/\((.*)\)/u, "_$1").replaceAll(/[^A-Za-z0-9_]/gu, "_");
  return `node_memory_${word}${isKib ? "_bytes" : ""}`;
}

interface MemoryLine {
  /** The key with its colon. */
  readonly key: string;
  readonly series: Series;
  readonly factor: number;
}

/** /proc/meminfo: every line, in bytes where the kernel says kB. The order of lines is the kernel's and stays. */
export class MemoryReader implements HostReader {
  readonly name = "meminfo";
  readonly #file: ProcFile;
  readonly #common: LabelSet;
  readonly #lines: MemoryLine[] = [];

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/meminfo`, 4_096, "oneRead");
    this.#common = common;
  }

  read(into: Columns): void {
    let place = 0;
    for (const line of this.#file.text().split("\n")) {
      let known = this.#lines[place];
      if (known === undefined || !line.startsWith(known.key)) {
        known = lineOf(line, this.#common);
        if (known === undefined) continue;
        this.#lines[place] = known;
      }
      place++;
      // parseInt passes the blanks before the number and ends at the unit.
      into.put(known.series, Number.parseInt(line.slice(known.key.length), 10) * known.factor);
    }
  }

  close(): void {
    this.#file.close();
  }
}

function lineOf(line: string, common: LabelSet): MemoryLine | undefined {
  const match = /^([^:]+:)\s*\d+( kB)?$/u.exec(line);
  const key = match?.[1];
  if (key === undefined) return undefined;
  const isKib = match?.[2] !== undefined;
  return {
    key,
    series: makeSeries(memoryMetricName(key.slice(0, -1), isKib), {}, common),
    factor: isKib ? KIB : 1,
  };
}
