import { readFileSync } from "node:fs";
import { hostname, machine, release, type, version } from "node:os";
import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";

/** The host's name and kernel. The name can change while the host runs; it is looked at each time, which costs a syscall. */
export class UnameReader implements HostReader {
  readonly name = "uname";
  readonly #common: LabelSet;
  readonly #domainPath: string;
  #nodeName = "";
  #series: Series | undefined;

  constructor(roots: HostRoots, common: LabelSet) {
    this.#common = common;
    this.#domainPath = `${roots.proc}/sys/kernel/domainname`;
  }

  read(into: Columns): void {
    const nodeName = hostname();
    if (this.#series === undefined || nodeName !== this.#nodeName) {
      this.#nodeName = nodeName;
      const labels = {
        sysname: type(),
        release: release(),
        version: version(),
        machine: machine(),
        nodename: nodeName,
        domainname: readFileSync(this.#domainPath, "utf8").trim(),
      };
      this.#series = makeSeries("node_uname_info", labels, this.#common);
    }
    into.put(this.#series, 1);
  }

  close(): void {}
}

/** The host's clock, in seconds since the epoch. */
export class TimeReader implements HostReader {
  readonly name = "time";
  readonly #series: Series;

  constructor(common: LabelSet) {
    this.#series = makeSeries("node_time_seconds", {}, common);
  }

  read(into: Columns, nowMs: number): void {
    into.put(this.#series, nowMs / 1_000);
  }

  close(): void {}
}

const OS_FIELDS =
  "BUILD_ID ID ID_LIKE IMAGE_ID IMAGE_VERSION NAME PRETTY_NAME VARIANT VARIANT_ID VERSION VERSION_CODENAME VERSION_ID";

/** /etc/os-release: which distribution this is. Read once: an upgrade of the distribution ends in a reboot. */
export class OsReader implements HostReader {
  readonly name = "os";
  readonly #series: Series[] = [];
  #version = Number.NaN;

  constructor(osRelease: string, common: LabelSet) {
    const fields = parseOsRelease(osRelease);
    const labels = Object.fromEntries(
      OS_FIELDS.split(" ").map((name) => [name.toLowerCase(), fields.get(name) ?? ""]),
    );
    this.#series.push(makeSeries("node_os_info", labels, common));
    const major = /^\d+(?:\.\d+)?/u.exec(fields.get("VERSION_ID") ?? "");
    if (major !== null) {
      this.#version = Number(major[0]);
      const id = { id: labels["id"] ?? "", id_like: labels["id_like"] ?? "", name: labels["name"] ?? "" };
      this.#series.push(makeSeries("node_os_version", id, common));
    }
  }

  read(into: Columns): void {
    const [info, osVersion] = this.#series;
    if (info !== undefined) into.put(info, 1);
    if (osVersion !== undefined) into.put(osVersion, this.#version);
  }

  close(): void {}
}

/** The fields of an os-release(5) file, unquoted. */
export function parseOsRelease(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Z0-9_]+)=(?:"(.*)"|'(.*)'|(.*))$/u.exec(line.trim());
    if (match?.[1] === undefined) continue;
    const raw = match[2] ?? match[3] ?? match[4] ?? "";
    fields.set(match[1], raw.replaceAll(/\\(["'\\$`])/gu, "$1"));
  }
  return fields;
}
