import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import { ByteCursor } from "./bytes.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { ProcFile } from "./proc-file.js";

// The kernel gives these in 1/100 s on every architecture that Node runs on, whatever its own tick is (USER_HZ).
const TICKS_PER_SECOND = 100;
const MODES = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"] as const;
const GUEST_MODES = ["user", "nice"] as const;
const ZERO = 48;
const NINE = 57;

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
  readonly #cursor = new ByteCursor();
  readonly #common: LabelSet;
  readonly #cpus: CpuSeries[] = [];
  readonly #totals: ReadonlyMap<string, Series>;

  constructor(roots: HostRoots, common: LabelSet) {
    this.#file = new ProcFile(`${roots.proc}/stat`, 16_384);
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
    const cursor = this.#file.readInto(this.#cursor);
    let cpuCount = 0;
    for (; !cursor.done; cursor.nextLine()) {
      const key = cursor.word();
      if (key.startsWith("cpu")) {
        const digit = key.charCodeAt(3);
        // "cpu" alone is the sum of all.
        if (digit >= ZERO && digit <= NINE) this.#putCpu(into, cpuCount++, key.slice(3));
        continue;
      }
      const series = this.#totals.get(key);
      // `intr` has the sum first and then hundreds of interrupts, which nextLine passes without looking.
      if (series !== undefined) into.put(series, cursor.number());
    }
    if (cpuCount === 0)
      throw new Error(`read ${this.#file.path}: no line begins with "cpu0", expected one per CPU`);
    this.#cpus.length = cpuCount;
  }

  close(): void {
    this.#file.close();
  }

  #putCpu(into: Columns, index: number, id: string): void {
    let cpu = this.#cpus[index];
    if (cpu?.id !== id) {
      cpu = makeCpu(id, this.#common);
      this.#cpus[index] = cpu;
    }
    const { seconds, series } = cpu;
    for (let i = 0; i < seconds.length; i++) {
      // Kernels before 2.6.33 have no guest columns: number() answers NaN at the line's end, and 0 is what they spent.
      const read = (this.#cursor.number() || 0) / TICKS_PER_SECOND;
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
