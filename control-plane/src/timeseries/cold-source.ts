/**
 * Samples from before the hot window: chunks that were read for one query, opened in a window of their own and joined
 * with the hot one.
 */
import { labelsKey, type Matcher } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { SeriesSamples, SeriesSource } from "../promql/series-source.js";
import { splitParts } from "./domain/chunk.js";
import { HotWindow, type HotWindowOptions } from "./domain/hot-window.js";
import type { Layout } from "./domain/layout.js";
import { mergeSamples } from "./domain/merge-samples.js";
import { readNames } from "./hot-chunks.js";
import type { StoredChunks } from "./store-protocol.js";

export class ColdSource implements SeriesSource {
  readonly #cold: HotWindow;
  readonly #hot: SeriesSource;

  /** Throws DATA_LOSS when a chunk cannot be read: an answer that silently lacks a stretch would be worse than none. */
  constructor(stored: StoredChunks, hot: SeriesSource, options: HotWindowOptions) {
    this.#hot = hot;
    const { globalSeriesMax } = options.seriesLimits;
    this.#cold = new HotWindow({
      seriesLimits: options.seriesLimits,
      timeLimits: { futureMax: Number.POSITIVE_INFINITY, ageMax: Number.POSITIVE_INFINITY },
    });
    const owner = this.#cold.addOwner(globalSeriesMax);
    const names = new Map(stored.names);
    const layouts = new Map<string, Layout>();
    for (const chunk of stored.chunks) {
      for (const { layout, block } of splitParts(chunk.parts)) {
        const digest = chunk.digests[layout] ?? "";
        let opened = layouts.get(digest);
        if (opened === undefined) {
          const series = readNames(names.get(digest) ?? "[]") ?? [];
          opened = this.#cold.openLayout(
            owner,
            series.map((labels) => this.#cold.hold(owner, labels)),
          );
          layouts.set(digest, opened);
        }
        this.#cold.attach(opened, block, 0);
      }
    }
  }

  select(
    matchers: readonly Matcher[],
    fromExclusive: Instant,
    toInclusive: Instant,
  ): readonly SeriesSamples[] {
    const hot = this.#hot.select(matchers, fromExclusive, toInclusive);
    const cold = new Map(
      this.#cold
        .select(matchers, fromExclusive, toInclusive)
        .map((series) => [labelsKey(series.labels), series]),
    );
    if (cold.size === 0) return hot;
    const joined = hot.map((series): SeriesSamples => {
      const key = labelsKey(series.labels);
      const older = cold.get(key);
      if (older === undefined) return series;
      cold.delete(key);
      return { labels: series.labels, ...mergeSamples([older, series]) };
    });
    return [...joined, ...cold.values()];
  }
}
