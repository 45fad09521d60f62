import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import { ByteCursor } from "./bytes.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { ProcFile } from "./proc-file.js";

const COLON = 58;
const KIB = 1_024;

/** The name that node_exporter gives a line of /proc/meminfo: `Active(anon)` in kB is `node_memory_Active_anon_bytes`. */
export function memoryMetricName(key: string, isKib: boolean): string {
  const word = key.replace(/\((.*)\)/u, "_$1").replaceAll(/[^A-Za-z0-9_]/gu, "_");
  return `node_memory_${word}${isKib ? "_bytes" : ""}`;
}

/** /proc/meminfo: every line, in bytes where the kernel says kB. */
export class MemoryReader implements HostReader {
  readonly name = "meminfo";
  readonly #file: ProcFile;
  readonly #cursor = new ByteCursor();
  readonly #common: LabelSet;
  readonly #series = new Map<string, Series>();

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/meminfo`);
    this.#common = common;
  }

  read(into: Columns): void {
    const cursor = this.#file.readInto(this.#cursor);
    for (; !cursor.done; cursor.nextLine()) {
      const key = cursor.word(COLON);
      cursor.skipByte();
      const value = cursor.number();
      if (Number.isNaN(value)) continue;
      cursor.skipSpaces();
      const isKib = cursor.byte >= 0;
      let series = this.#series.get(key);
      if (series === undefined) {
        series = makeSeries(memoryMetricName(key, isKib), {}, this.#common);
        this.#series.set(key, series);
      }
      into.put(series, isKib ? value * KIB : value);
    }
  }

  close(): void {
    this.#file.close();
  }
}
