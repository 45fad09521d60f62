import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import type { DeviceChoice } from "./network.js";
import { kernelNumber, ProcFile } from "./proc-file.js";

const MS_PER_SECOND = 1_000;
/** A sector of /proc/diskstats is 512 bytes whatever the device's own are. */
const SECTOR_BYTES = 512;

/** Devices that node_exporter leaves out: ramdisks, loops, floppies and partitions of the disks that are in. */
export const DISK_EXCLUDE = /^(?:z?ram|loop|fd|(?:h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$/u;

type Unit = "count" | "bytes" | "seconds";

/** The columns after major, minor and name. Kernels before 4.18 end after the eleventh, before 5.5 after the fifteenth. */
const COLUMNS: readonly (readonly [metric: string, unit: Unit])[] = [
  ["reads_completed_total", "count"],
  ["reads_merged_total", "count"],
  ["read_bytes_total", "bytes"],
  ["read_time_seconds_total", "seconds"],
  ["writes_completed_total", "count"],
  ["writes_merged_total", "count"],
  ["written_bytes_total", "bytes"],
  ["write_time_seconds_total", "seconds"],
  ["io_now", "count"],
  ["io_time_seconds_total", "seconds"],
  ["io_time_weighted_seconds_total", "seconds"],
  ["discards_completed_total", "count"],
  ["discards_merged_total", "count"],
  ["discarded_sectors_total", "count"],
  ["discard_time_seconds_total", "seconds"],
  ["flush_requests_total", "count"],
  ["flush_requests_time_seconds_total", "seconds"],
];

/** /proc/diskstats: what each block device did. */
export class DiskReader implements HostReader {
  readonly name = "diskstats";
  readonly #file: ProcFile;
  readonly #common: LabelSet;
  readonly #choice: DeviceChoice;
  #devices = new Map<string, readonly Series[] | undefined>();

  constructor(roots: HostRoots, common: LabelSet, choice: DeviceChoice) {
    this.#file = new ProcFile(`${roots.proc}/diskstats`);
    this.#common = common;
    this.#choice = choice;
  }

  read(into: Columns): void {
    const seen = new Map<string, readonly Series[] | undefined>();
    let devices = 0;
    for (const line of this.#file.text().split("\n")) {
      const words = line.trim().split(/ +/u);
      const device = words[2];
      if (device === undefined) continue;
      const series = this.#devices.has(device) ? this.#devices.get(device) : this.#seriesOf(device);
      seen.set(device, series);
      if (series === undefined) continue;
      if (devices++ === this.#choice.devicesMax) break;
      for (let i = 0; i < COLUMNS.length && i + 3 < words.length; i++) {
        into.put(series[i] as Series, inUnit(kernelNumber(words[i + 3]), COLUMNS[i]?.[1]));
      }
    }
    this.#devices = seen;
  }

  close(): void {
    this.#file.close();
  }

  #seriesOf(device: string): readonly Series[] | undefined {
    if (device === "" || this.#choice.exclude?.test(device)) return undefined;
    return COLUMNS.map(([metric]) => makeSeries(`node_disk_${metric}`, { device }, this.#common));
  }
}

function inUnit(value: number, unit: Unit | undefined): number {
  if (unit === "bytes") return value * SECTOR_BYTES;
  return unit === "seconds" ? value / MS_PER_SECOND : value;
}
