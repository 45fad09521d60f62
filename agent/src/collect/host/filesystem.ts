import type { StatsFs } from "node:fs";
import { statfsSync } from "node:fs";
import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { answersAtOnce, chooseMounts, type Mount, type MountChoice, parseMountInfo } from "./mountinfo.js";
import { ProcFile } from "./proc-file.js";

/** The series of one mounted filesystem. */
export interface MountSeries {
  readonly mount: Mount;
  readonly deviceError: Series;
  readonly readOnly: Series;
  readonly size: Series;
  readonly free: Series;
  readonly avail: Series;
  readonly files: Series;
  readonly filesFree: Series;
}

/** What is mounted now, split by whether asking may hang. */
export interface MountTable {
  readonly atOnce: readonly MountSeries[];
  readonly mayHang: readonly MountSeries[];
}

/** Keeps the table of mounts; it is parsed anew only when the kernel's text differs from the last. */
export class Mounts {
  readonly #file: ProcFile;
  readonly #common: LabelSet;
  readonly #choice: MountChoice;
  #text = Buffer.alloc(0);
  #table: MountTable = { atOnce: [], mayHang: [] };

  constructor(roots: HostRoots, common: LabelSet, choice: MountChoice) {
    this.#file = new ProcFile(`${roots.proc}/self/mountinfo`, 16_384);
    this.#common = common;
    this.#choice = choice;
  }

  /** The table as of now. Throws when the kernel's file cannot be read. */
  current(): MountTable {
    const length = this.#file.read();
    const text = this.#file.buffer;
    if (length !== this.#text.length || text.compare(this.#text, 0, length, 0, length) !== 0) {
      this.#text = Buffer.from(text.subarray(0, length));
      const mounts = chooseMounts(parseMountInfo(this.#text.toString("utf8")), this.#choice);
      const known = new Map(
        [...this.#table.atOnce, ...this.#table.mayHang].map((of) => [keyOf(of.mount), of]),
      );
      const series = mounts.map((mount) => known.get(keyOf(mount)) ?? mountSeries(mount, this.#common));
      this.#table = {
        atOnce: series.filter(({ mount }) => answersAtOnce(mount)),
        mayHang: series.filter(({ mount }) => !answersAtOnce(mount)),
      };
    }
    return this.#table;
  }

  close(): void {
    this.#file.close();
  }
}

/** Sizes of the filesystems that this kernel answers for from memory. */
export class FilesystemReader implements HostReader {
  readonly name = "filesystem";
  readonly #mounts: Mounts;

  constructor(mounts: Mounts) {
    this.#mounts = mounts;
  }

  read(into: Columns): void {
    for (const series of this.#mounts.current().atOnce) {
      let stats: StatsFs | undefined;
      try {
        stats = statfsSync(series.mount.mountPoint);
      } catch {
        // Unmounted since, or no right to look: the error metric says so.
      }
      putFilesystem(into, series, stats);
    }
  }

  close(): void {
    this.#mounts.close();
  }
}

/** Puts the samples of one filesystem; without figures only that there were none. */
export function putFilesystem(into: Columns, series: MountSeries, stats: StatsFs | undefined): void {
  into.put(series.deviceError, stats === undefined ? 1 : 0);
  if (stats === undefined) return;
  into.put(series.size, stats.blocks * stats.bsize);
  into.put(series.free, stats.bfree * stats.bsize);
  into.put(series.avail, stats.bavail * stats.bsize);
  into.put(series.files, stats.files);
  into.put(series.filesFree, stats.ffree);
  into.put(series.readOnly, series.mount.readOnly ? 1 : 0);
}

function mountSeries(mount: Mount, common: LabelSet): MountSeries {
  const labels = { device: mount.device, fstype: mount.fsType, mountpoint: mount.mountPoint };
  const named = (metric: string): Series => makeSeries(`node_filesystem_${metric}`, labels, common);
  return {
    mount,
    deviceError: named("device_error"),
    readOnly: named("readonly"),
    size: named("size_bytes"),
    free: named("free_bytes"),
    avail: named("avail_bytes"),
    files: named("files"),
    filesFree: named("files_free"),
  };
}

function keyOf(mount: Mount): string {
  return `${mount.device}\u0000${mount.mountPoint}\u0000${mount.fsType}\u0000${mount.readOnly}`;
}
