import { existsSync, readFileSync } from "node:fs";
import type { LabelSet } from "../series.js";
import { DiskReader } from "./disk.js";
import { FilesystemReader, type Mounts } from "./filesystem.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { PressureReader, SoftnetReader, VmstatReader } from "./kernel.js";
import { MemoryReader } from "./memory.js";
import { type DeviceChoice, NetworkReader } from "./network.js";
import { NetstatReader, SockstatReader } from "./network-counters.js";
import { numbersReaders } from "./numbers.js";
import { readPageBytes } from "./page-size.js";
import { StatReader } from "./stat.js";
import { OsReader, TimeReader, UnameReader } from "./system-facts.js";

/** What of the host is read. */
export interface HostChoice {
  readonly roots: HostRoots;
  readonly network: DeviceChoice;
  readonly disk: DeviceChoice;
}

/** All sources of host numbers that this host has. */
export function hostReaders(choice: HostChoice, common: LabelSet, mounts: Mounts): HostReader[] {
  const { roots } = choice;
  const has = (path: string): boolean => existsSync(`${roots.proc}/${path}`);
  const readers: HostReader[] = [
    new StatReader(roots, common),
    new MemoryReader(roots, common),
    new FilesystemReader(mounts),
    new NetworkReader(roots, common, choice.network),
    new DiskReader(roots, common, choice.disk),
    new TimeReader(common),
    new UnameReader(roots, common),
    ...numbersReaders(roots, common),
  ];
  const osRelease = readOsRelease();
  if (osRelease !== undefined) readers.push(new OsReader(osRelease, common));
  if (has("vmstat")) readers.push(new VmstatReader(roots, common));
  if (has("pressure/cpu")) readers.push(new PressureReader(roots, common));
  if (has("net/softnet_stat")) readers.push(new SoftnetReader(roots, common));
  if (has("net/snmp")) readers.push(new NetstatReader(roots, common));
  if (has("net/sockstat")) readers.push(new SockstatReader(roots, common, readPageBytes(roots.proc)));
  return readers;
}

function readOsRelease(): string | undefined {
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    try {
      return readFileSync(path, "utf8");
    } catch {
      // os-release(5): the second is there when the first is not.
    }
  }
  return undefined;
}
