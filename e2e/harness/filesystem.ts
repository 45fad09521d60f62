/**
 * A real filesystem that a test may fill: a tmpfs of a few MiB for root; else a directory whose own filesystem is judged
 * against how much of it is free now.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MIB = 1024 * 1024;

export interface Filesystem {
  /** Where to write. */
  readonly path: string;
  readonly mountpoint: string;
  /** Bytes to write so that it counts as full. */
  readonly fillBytes: number;
  /** A PromQL condition that holds when it is full. */
  readonly fullWhen: string;
  remove(): void;
}

export function makeFilesystem(sizeMib = 16): Filesystem {
  const path = mkdtempSync(join(tmpdir(), "mainstay-fs-"));
  if (process.getuid?.() === 0) {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMib}m,mode=0755`, "tmpfs", path]);
    return {
      path,
      mountpoint: path,
      fillBytes: 0.9 * sizeMib * MIB,
      fullWhen: `node_filesystem_avail_bytes{mountpoint="${path}"} / node_filesystem_size_bytes{mountpoint="${path}"} < 0.15`,
      remove: () => {
        execFileSync("umount", ["--lazy", path]);
        rmSync(path, { recursive: true, force: true });
      },
    };
  }
  const mountpoint = execFileSync("findmnt", ["--noheadings", "--output", "TARGET", "--target", path], {
    encoding: "utf8",
  }).trim();
  const { bavail, bsize } = statfsSync(path);
  const fillBytes = 512 * MIB;
  return {
    path,
    mountpoint,
    fillBytes,
    fullWhen: `node_filesystem_avail_bytes{mountpoint="${mountpoint}"} < ${bavail * bsize - fillBytes / 2}`,
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Files that fill it, last changed `ageSeconds` ago; answers their names, sorted. */
export function fill(filesystem: Filesystem, ageSeconds = 7_200, count = 10): readonly string[] {
  const size = Math.floor(filesystem.fillBytes / count);
  const at = Date.now() / 1_000 - ageSeconds;
  return Array.from({ length: count }, (_, index) => {
    const name = `old-${String(index).padStart(3, "0")}.log`;
    writeFileSync(join(filesystem.path, name), Buffer.alloc(size, 0x61));
    utimesSync(join(filesystem.path, name), at, at);
    return name;
  });
}
