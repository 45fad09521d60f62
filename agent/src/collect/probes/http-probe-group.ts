import type { HttpProbe } from "../collect-settings.js";
import type { CollectGroup } from "../group.js";
import type { CollectClock, Say } from "../ports.js";
import type { Reading, SeriesSet } from "../reading.js";
import { BodyFetcher } from "../scrape/fetch-body.js";
import { type LabelSet, makeSeries } from "../series.js";

const BODY_BYTES_MAX = 65_536;

/**
 * Whether something serves, seen from here: `probe_success` and `probe_duration_seconds` as blackbox_exporter has them, with
 * `job="probe"` and the probe's name. Only status 200 is a success. Each look opens a connection of its own: over one that
 * was kept, a server that nobody can reach any more would go on being found well.
 */
export class HttpProbeGroup implements CollectGroup {
  readonly name: string;
  readonly intervalMs: number;
  readonly #fetcher: BodyFetcher;
  readonly #clock: CollectClock;
  readonly #say: Say;
  readonly #set: SeriesSet;
  #because: string | undefined;

  constructor(probe: HttpProbe, common: LabelSet, clock: CollectClock, say: Say) {
    this.name = `probe:${probe.name}`;
    this.intervalMs = probe.intervalMs;
    this.#clock = clock;
    this.#say = say;
    this.#fetcher = new BodyFetcher({ ...probe, bodyBytesMax: BODY_BYTES_MAX }, clock);
    const labels = { job: "probe", probe: probe.name, target: new URL(probe.url).host };
    const names = ["probe_success", "probe_duration_seconds"];
    this.#set = { series: names.map((name) => makeSeries(name, labels, common)) };
  }

  async read(timestampMs: number): Promise<Reading[]> {
    const from = this.#clock.monotonic();
    const fetched = await this.#fetcher.fetch();
    this.#fetcher.close();
    const seconds = (this.#clock.monotonic() - from) / 1_000;
    const because = fetched.kind === "failed" ? fetched.because : undefined;
    if ((because === undefined) !== (this.#because === undefined)) {
      if (because === undefined) this.#say("info", "A probe succeeds again", { group: this.name });
      else this.#say("warn", "A probe fails", { group: this.name, because });
    }
    this.#because = because;
    const values = Float64Array.of(because === undefined ? 1 : 0, seconds);
    return [{ timestampMs, set: this.#set, values }];
  }

  close(): void {
    this.#fetcher.close();
  }
}
