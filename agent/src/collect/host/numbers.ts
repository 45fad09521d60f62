import { existsSync } from "node:fs";
import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { kernelNumber, ProcFile } from "./proc-file.js";

/** A file of a few numbers in a row, and the metric that each is; undefined passes one. */
interface NumbersFile {
  readonly path: string;
  readonly metrics: readonly (string | undefined)[];
}

/** Sources that are files with nothing but numbers. A host without the file (no conntrack module) has no such source. */
const SOURCES: readonly { readonly name: string; readonly files: readonly NumbersFile[] }[] = [
  { name: "loadavg", files: [{ path: "loadavg", metrics: ["node_load1", "node_load5", "node_load15"] }] },
  {
    name: "filefd",
    files: [{ path: "sys/fs/file-nr", metrics: ["node_filefd_allocated", undefined, "node_filefd_maximum"] }],
  },
  {
    name: "entropy",
    files: [
      { path: "sys/kernel/random/entropy_avail", metrics: ["node_entropy_available_bits"] },
      { path: "sys/kernel/random/poolsize", metrics: ["node_entropy_pool_size_bits"] },
    ],
  },
  {
    name: "conntrack",
    files: [
      { path: "sys/net/netfilter/nf_conntrack_count", metrics: ["node_nf_conntrack_entries"] },
      { path: "sys/net/netfilter/nf_conntrack_max", metrics: ["node_nf_conntrack_entries_limit"] },
    ],
  },
];

/** The sources that are files of numbers. */
export function numbersReaders(roots: HostRoots, common: LabelSet): HostReader[] {
  const there = SOURCES.filter(({ files }) => files.every(({ path }) => existsSync(`${roots.proc}/${path}`)));
  return there.map((source) => new NumbersReader(source.name, source.files, roots, common));
}

class NumbersReader implements HostReader {
  readonly name: string;
  readonly #files: readonly { readonly file: ProcFile; readonly series: readonly (Series | undefined)[] }[];

  constructor(name: string, files: readonly NumbersFile[], roots: HostRoots, common: LabelSet) {
    this.name = name;
    this.#files = files.map(({ path, metrics }) => ({
      file: new ProcFile(`${roots.proc}/${path}`, 128, "oneRead"),
      series: metrics.map((metric) => (metric === undefined ? undefined : makeSeries(metric, {}, common))),
    }));
  }

  read(into: Columns): void {
    for (const { file, series } of this.#files) {
      const words = file.text().trim().split(/\s+/u);
      for (const [i, metric] of series.entries()) {
        if (metric === undefined) continue;
        const value = kernelNumber(words[i]);
        if (Number.isNaN(value)) throw new Error(`read ${file.path}: expected ${series.length} numbers`);
        into.put(metric, value);
      }
    }
  }

  close(): void {
    for (const { file } of this.#files) file.close();
  }
}
