import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { kernelNumber, ProcFile } from "./proc-file.js";

// The kernel gives these in 1/100 s on every architecture that Node runs on, whatever its own tick is (USER_HZ).
const TICKS_PER_SECOND = 100;
const MODES = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"] as const;
const GUEST_MODES = ["user", "nice"] as const;

interface CpuSeries {
  readonly id: string;
  readonly series: readonly Series[];
  readonly seconds: Float64Array;
}

/**
 * /proc/stat: CPU seconds a mode, and the kernel's own counters. Iowait and idle of a CPU may step back a little in the
 * kernel; a counter must not, so a step back of under 3 s keeps the last value. More is a CPU that was taken out and put in.
 */
export class StatReader implements HostReader {
  readonly name = "stat";
  readonly #file: ProcFile;
  readonly #common: LabelSet;
  readonly #cpus: CpuSeries[] = [];
  readonly #totals: ReadonlyMap<string, Series>;

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/stat`, 16_384, "oneRead");
    this.#common = common;
    this.#totals = new Map([
      ["intr", makeSeries("node_intr_total", {}, common)],
      ["ctxt", makeSeries("node_context_switches_total", {}, common)],
      ["btime", makeSeries("node_boot_time_seconds", {}, common)],
      ["processes", makeSeries("node_forks_total", {}, common)],
      ["procs_running", makeSeries("node_procs_running", {}, common)],
      ["procs_blocked", makeSeries("node_procs_blocked", {}, common)],
    ]);
  }

  read(into: Columns): void {
    let cpuCount = 0;
    for (const line of this.#file.text().split("\n")) {
      const blank = line.indexOf(" ");
      const key = line.slice(0, blank);
      if (key.startsWith("cpu")) {
        // "cpu" alone is the sum of all.
        if (key.length > 3) this.#putCpu(into, cpuCount++, key.slice(3), line.split(" "));
        continue;
      }
      const series = this.#totals.get(key);
      if (series === undefined) continue;
      // `intr` has the sum first and then hundreds of interrupts, which are not cut apart.
      const end = line.indexOf(" ", blank + 1);
      into.put(series, kernelNumber(line.slice(blank + 1, end < 0 ? undefined : end)));
    }
    if (cpuCount === 0)
      throw new Error(`read ${this.#file.path}: no line begins with "cpu0", expected one per CPU`);
    this.#cpus.length = cpuCount;
  }

  close(): void {
    this.#file.close();
  }

  #putCpu(into: Columns, index: number, id: string, words: readonly string[]): void {
    let cpu = this.#cpus[index];
    if (cpu?.id !== id) {
      cpu = makeCpu(id, this.#common);
      this.#cpus[index] = cpu;
    }
    const { seconds, series } = cpu;
    for (let i = 0; i < seconds.length; i++) {
      // Kernels before 2.6.33 have no guest columns, and spent 0 there.
      const read = (kernelNumber(words[i + 1]) || 0) / TICKS_PER_SECOND;
      const last = seconds[i] ?? 0;
      if (read >= last || last - read >= 3) seconds[i] = read;
      into.put(series[i] as Series, seconds[i] as number);
    }
  }
}

function makeCpu(id: string, common: LabelSet): CpuSeries {
  const series = [
    ...MODES.map((mode) => makeSeries("node_cpu_seconds_total", { cpu: id, mode }, common)),
    ...GUEST_MODES.map((mode) => makeSeries("node_cpu_guest_seconds_total", { cpu: id, mode }, common)),
  ];
  return { id, series, seconds: new Float64Array(series.length) };
}
