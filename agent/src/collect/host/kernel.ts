import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { kernelNumber, ProcFile } from "./proc-file.js";

const MICROSECONDS = 1_000_000;
/** The counters of /proc/vmstat that node_exporter keeps; the rest is for kernel developers. */
const VMSTAT_WANTED = /^(?:oom_kill|pgpg|pswp|pg.*fault)/u;

/** /proc/vmstat: paging, swapping and kills for want of memory. */
export class VmstatReader implements HostReader {
  readonly name = "vmstat";
  readonly #file: ProcFile;
  readonly #common: LabelSet;
  /** The order of lines is the kernel's and stays while it runs. */
  #wanted: readonly WantedLine[] | undefined;

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/vmstat`, 8_192);
    this.#common = common;
  }

  read(into: Columns): void {
    const lines = this.#file.text().split("\n");
    this.#wanted ??= wantedOf(lines, this.#common);
    for (const { place, skip, series } of this.#wanted)
      into.put(series, kernelNumber(lines[place]?.slice(skip)));
  }

  close(): void {
    this.#file.close();
  }
}

interface WantedLine {
  readonly place: number;
  /** Characters before the number. */
  readonly skip: number;
  readonly series: Series;
}

function wantedOf(lines: readonly string[], common: LabelSet): WantedLine[] {
  return lines.flatMap((line, place) => {
    const name = line.slice(0, line.indexOf(" "));
    if (!VMSTAT_WANTED.test(name)) return [];
    return [{ place, skip: name.length + 1, series: makeSeries(`node_vmstat_${name}`, {}, common) }];
  });
}

/** /proc/pressure: how long tasks waited for CPU, IO and memory, in seconds. Kernels before 4.20 have no such files. */
export class PressureReader implements HostReader {
  readonly name = "pressure";
  readonly #files: readonly { readonly file: ProcFile; readonly waiting: Series; readonly stalled: Series }[];

  constructor(roots: HostRoots, common: LabelSet) {
    this.#files = ["cpu", "io", "memory"].map((resource) => ({
      file: new ProcFile(`${roots.proc}/pressure/${resource}`, 256, "oneRead"),
      waiting: makeSeries(`node_pressure_${resource}_waiting_seconds_total`, {}, common),
      stalled: makeSeries(`node_pressure_${resource}_stalled_seconds_total`, {}, common),
    }));
  }

  read(into: Columns): void {
    for (const { file, waiting, stalled } of this.#files) {
      // avg10=, avg60=, avg300= say the same over a window; total= is the counter.
      for (const line of file.text().split("\n")) {
        const seconds = kernelNumber(line.slice(line.lastIndexOf("=") + 1)) / MICROSECONDS;
        if (line.startsWith("some")) into.put(waiting, seconds);
        // Nothing can be fully stalled on the CPU of the whole host: the kernel gives a line of zeros there.
        else if (line.startsWith("full") && !file.path.endsWith("/cpu")) into.put(stalled, seconds);
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
  readonly #common: LabelSet;
  readonly #cpus: (readonly Series[])[] = [];

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/net/softnet_stat`, 4_096);
    this.#common = common;
  }

  read(into: Columns): void {
    for (const [cpu, line] of this.#file.text().trimEnd().split("\n").entries()) {
      let series = this.#cpus[cpu];
      if (series === undefined) {
        series = ["processed", "dropped", "times_squeezed"].map((name) =>
          makeSeries(`node_softnet_${name}_total`, { cpu: String(cpu) }, this.#common),
        );
        this.#cpus[cpu] = series;
      }
      const words = line.split(" ", series.length);
      for (let i = 0; i < series.length; i++) {
        into.put(series[i] as Series, Number.parseInt(words[i] ?? "", 16));
      }
    }
  }

  close(): void {
    this.#file.close();
  }
}
