import type { Columns } from "../columns.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader, HostRoots } from "./host-reader.js";
import { kernelNumber, ProcFile } from "./proc-file.js";

const HEADER_LINES = 2;
const COLUMNS = [
  ..."bytes packets errs drop fifo frame compressed multicast".split(" ").map((name) => `receive_${name}`),
  ..."bytes packets errs drop fifo colls carrier compressed".split(" ").map((name) => `transmit_${name}`),
];

/** Which devices a reading is about. */
export interface DeviceChoice {
  readonly exclude: RegExp | undefined;
  /** At most so many devices; a host of many containers has one for each. */
  readonly devicesMax: number;
}

/** /proc/net/dev: bytes, packets, errors and drops of each network device. */
export class NetworkReader implements HostReader {
  readonly name = "netdev";
  readonly #file: ProcFile;
  readonly #common: LabelSet;
  readonly #choice: DeviceChoice;
  #devices = new Map<string, readonly Series[] | undefined>();

  constructor(roots: HostRoots, common: LabelSet, choice: DeviceChoice) {
    this.#file = new ProcFile(`${roots.proc}/net/dev`);
    this.#common = common;
    this.#choice = choice;
  }

  read(into: Columns): void {
    const seen = new Map<string, readonly Series[] | undefined>();
    let devices = 0;
    for (const line of this.#file.text().split("\n").slice(HEADER_LINES)) {
      const colon = line.indexOf(":");
      if (colon < 0) continue;
      const device = line.slice(0, colon).trim();
      const series = this.#devices.has(device) ? this.#devices.get(device) : this.#seriesOf(device);
      seen.set(device, series);
      if (series === undefined) continue;
      if (devices++ === this.#choice.devicesMax) break;
      const words = line
        .slice(colon + 1)
        .trim()
        .split(/ +/u);
      for (let i = 0; i < series.length; i++) into.put(series[i] as Series, kernelNumber(words[i]));
    }
    // What is gone is forgotten: container hosts make thousands of devices in a day.
    this.#devices = seen;
  }

  close(): void {
    this.#file.close();
  }

  #seriesOf(device: string): readonly Series[] | undefined {
    if (device === "" || this.#choice.exclude?.test(device)) return undefined;
    return COLUMNS.map((name) => makeSeries(`node_network_${name}_total`, { device }, this.#common));
  }
}
