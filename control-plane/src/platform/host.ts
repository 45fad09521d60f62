/** The host under this process: what is left of its disk and memory, and how busy it is. */
import { statfs } from "node:fs/promises";
import { availableParallelism, loadavg, totalmem } from "node:os";

export interface HostReading {
  /** Of the filesystem that holds `directory`: what an unprivileged user may still write. */
  readonly diskFreeBytes: number;
  readonly diskTotalBytes: number;
  /** What this process may still get without swapping, within its control group's limit; and of how much that is. */
  readonly memoryAvailableBytes: number;
  readonly memoryTotalBytes: number;
  readonly residentBytes: number;
  /** Runnable tasks, mean over the last minute. */
  readonly load: number;
  readonly cores: number;
  /** CPU time this process has used since it began. */
  readonly cpuSeconds: number;
}

export async function readHost(directory: string): Promise<HostReading> {
  const disk = await statfs(directory);
  const { user, system } = process.cpuUsage();
  const limit = process.constrainedMemory();
  return {
    diskFreeBytes: disk.bavail * disk.bsize,
    diskTotalBytes: disk.blocks * disk.bsize,
    memoryAvailableBytes: process.availableMemory(),
    memoryTotalBytes: limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
    residentBytes: process.memoryUsage.rss(),
    load: loadavg()[0] ?? 0,
    cores: availableParallelism(),
    cpuSeconds: (user + system) / 1_000_000,
  };
}

/** Whether this process may change its user. */
export const isRoot = (): boolean => process.getuid?.() === 0;
