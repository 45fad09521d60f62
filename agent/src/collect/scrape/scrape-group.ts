import type { ScrapeTarget } from "../collect-settings.js";
import type { CollectGroup } from "../group.js";
import type { CollectClock, Say } from "../ports.js";
import type { Reading, SeriesSet } from "../reading.js";
import { type LabelSet, makeSeries } from "../series.js";
import { BodyFetcher } from "./fetch-body.js";
import { ScrapedColumns } from "./scraped-columns.js";

const MS_PER_SECOND = 1_000;

/**
 * One target: its samples, and about the scrape itself `up`, `scrape_duration_seconds` and `scrape_samples_scraped` as
 * Prometheus makes them. A body that breaks a bound or the format is a failed scrape: `up` is 0 and its series end.
 */
export class ScrapeGroup implements CollectGroup {
  readonly name: string;
  readonly intervalMs: number;
  readonly #fetcher: BodyFetcher;
  readonly #columns: ScrapedColumns;
  readonly #clock: CollectClock;
  readonly #say: Say;
  readonly #about: SeriesSet;
  #because: string | undefined;
  #duplicatesSaid = false;

  constructor(target: ScrapeTarget, common: LabelSet, clock: CollectClock, say: Say) {
    const labels = targetLabels(target, common);
    this.name = `scrape:${target.job}:${labels["instance"] ?? ""}`;
    this.intervalMs = target.intervalMs;
    this.#clock = clock;
    this.#say = say;
    this.#fetcher = new BodyFetcher(target, clock);
    this.#columns = new ScrapedColumns(labels, target.sampleLimit);
    const about = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];
    this.#about = { series: about.map((name) => makeSeries(name, {}, labels)) };
  }

  async read(timestampMs: number): Promise<Reading[]> {
    const from = this.#clock.monotonic();
    const fetched = await this.#fetcher.fetch();
    const scraped =
      fetched.kind === "body" ? this.#columns.take(fetched.text, timestampMs) : { because: fetched.because };
    const seconds = (this.#clock.monotonic() - from) / MS_PER_SECOND;
    if ("because" in scraped) {
      this.#changed(scraped.because);
      const gone = this.#columns.gone(timestampMs);
      const about = { timestampMs, set: this.#about, values: Float64Array.of(0, seconds, 0) };
      return gone === undefined ? [about] : [gone, about];
    }
    this.#changed(undefined);
    if (scraped.duplicates > 0 && !this.#duplicatesSaid) {
      this.#duplicatesSaid = true;
      this.#say("warn", "A target gives some series more than once", {
        group: this.name,
        duplicates: scraped.duplicates,
      });
    }
    const about = { timestampMs, set: this.#about, values: Float64Array.of(1, seconds, scraped.samples) };
    return [...scraped.readings, about];
  }

  close(): void {
    this.#fetcher.close();
  }

  /** Says it when a target goes and comes, not at every scrape. */
  #changed(because: string | undefined): void {
    if ((because === undefined) !== (this.#because === undefined)) {
      if (because === undefined) this.#say("info", "A target can be scraped again", { group: this.name });
      else this.#say("warn", "A target cannot be scraped", { group: this.name, because });
    }
    this.#because = because;
  }
}

/**
 * The labels of all series of a target. An instance that the configuration does not name is the URL's host and port; for
 * a target on loopback the node's own instance and the port, because every host has a 127.0.0.1:9090.
 */
export function targetLabels(target: ScrapeTarget, common: LabelSet): LabelSet {
  const url = new URL(target.url);
  const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/u.test(url.hostname);
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  const node = common["instance"] ?? url.hostname;
  const instance = `${loopback ? node : url.hostname}:${port}`;
  return { ...common, instance, ...target.labels, job: target.job };
}
