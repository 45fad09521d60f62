import type { Columns } from "../columns.js";

/** One source of the host's numbers, named as node_exporter names the collector that gives the same ones. */
export interface HostReader {
  readonly name: string;
  /** Puts the source's samples. Throws when the source cannot be read; what it put before is then taken back. */
  read(into: Columns, nowMs: number): void;
  /** Gives back what it keeps open. */
  close(): void;
}

/** Where the kernel's files are; another place than /proc and /sys is for tests and for agents in a container. */
export interface HostRoots {
  readonly proc: string;
  readonly sys: string;
}
