/** Which machine this is. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** What the greeting says of the host. */
export interface HostFacts {
  readonly hostname: string;
  /** Changes with every boot. */
  readonly bootId: string;
  /** A hash of the machine's id: the id itself is confidential (machine-id(5)). Empty when there is none. */
  readonly machineId: string;
  readonly os: string;
}

/** Reads the facts; what a host does not have is empty. */
export function readHostFacts(): HostFacts {
  const machineId = read("/etc/machine-id");
  return {
    hostname: hostname().slice(0, 253),
    bootId: read("/proc/sys/kernel/random/boot_id"),
    machineId:
      machineId === ""
        ? ""
        : createHash("sha256").update("mainstay-agent").update(machineId).digest("hex").slice(0, 32),
    os: /^PRETTY_NAME="?([^"\n]{1,200})/m.exec(read("/etc/os-release"))?.[1] ?? "",
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
