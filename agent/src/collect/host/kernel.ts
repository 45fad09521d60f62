import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import { ByteCursor } from "./bytes.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { ProcFile } from "./proc-file.js";

const EQUALS = 61;
const MICROSECONDS = 1_000_000;
/** The counters of /proc/vmstat that node_exporter keeps; the rest is for kernel developers. */
const VMSTAT_WANTED = /^(?:oom_kill|pgpg|pswp|pg.*fault)/u;

/** /proc/vmstat: paging, swapping and kills for want of memory. */
export class VmstatReader implements HostReader {
  readonly name = "vmstat";
  readonly #file: ProcFile;
  readonly #cursor = new ByteCursor();
  readonly #common: LabelSet;
  /** By line: the kernel's order does not change while it runs. */
  #lines: (Series | undefined)[] | undefined;

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/vmstat`, 8_192);
    this.#common = common;
  }

  read(into: Columns): void {
    const cursor = this.#file.readInto(this.#cursor);
    if (this.#lines === undefined) {
      this.#lines = [];
      for (; !cursor.done; cursor.nextLine()) {
        const name = cursor.word();
        this.#lines.push(
          VMSTAT_WANTED.test(name) ? makeSeries(`node_vmstat_${name}`, {}, this.#common) : undefined,
        );
      }
      cursor.rewind();
    }
    for (const series of this.#lines) {
      if (cursor.done) break;
      if (series !== undefined) {
        cursor.skipWords(1);
        into.put(series, cursor.number());
      }
      cursor.nextLine();
    }
  }

  close(): void {
    this.#file.close();
  }
}

/** /proc/pressure: how long tasks waited for CPU, IO and memory, in seconds. Kernels before 4.20 have no such files. */
export class PressureReader implements HostReader {
  readonly name = "pressure";
  readonly #cursor = new ByteCursor();
  readonly #files: readonly { readonly file: ProcFile; readonly waiting: Series; readonly stalled: Series }[];

  constructor(roots: HostRoots, common: LabelSet) {
    this.#files = ["cpu", "io", "memory"].map((resource) => ({
      file: new ProcFile(`${roots.proc}/pressure/${resource}`, 256),
      waiting: makeSeries(`node_pressure_${resource}_waiting_seconds_total`, {}, common),
      stalled: makeSeries(`node_pressure_${resource}_stalled_seconds_total`, {}, common),
    }));
  }

  read(into: Columns): void {
    for (const { file, waiting, stalled } of this.#files) {
      const cursor = file.readInto(this.#cursor);
      for (; !cursor.done; cursor.nextLine()) {
        const kind = cursor.word();
        // avg10=, avg60=, avg300= say the same over a window; total= is the counter.
        cursor.skipWords(3);
        cursor.word(EQUALS);
        cursor.skipByte();
        const seconds = cursor.number() / MICROSECONDS;
        if (kind === "some") into.put(waiting, seconds);
        // Nothing can be fully stalled on the CPU of the whole host: the kernel gives a line of zeros there.
        else if (kind === "full" && !file.path.endsWith("/cpu")) into.put(stalled, seconds);
      }
    }
  }

  close(): void {
    for (const { file } of this.#files) file.close();
  }
}

/** /proc/net/softnet_stat: packets taken in by each CPU, in hexadecimal columns. */
export class SoftnetReader implements HostReader {
  readonly name = "softnet";
  readonly #file: ProcFile;
  readonly #cursor = new ByteCursor();
  readonly #common: LabelSet;
  readonly #cpus: (readonly Series[])[] = [];

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/net/softnet_stat`, 4_096);
    this.#common = common;
  }

  read(into: Columns): void {
    const cursor = this.#file.readInto(this.#cursor);
    for (let cpu = 0; !cursor.done; cursor.nextLine(), cpu++) {
      let series = this.#cpus[cpu];
      if (series === undefined) {
        series = ["processed", "dropped", "times_squeezed"].map((name) =>
          makeSeries(`node_softnet_${name}_total`, { cpu: String(cpu) }, this.#common),
        );
        this.#cpus[cpu] = series;
      }
      for (const metric of series) into.put(metric, Number.parseInt(cursor.word(), 16));
    }
  }

  close(): void {
    this.#file.close();
  }
}
