import { Columns } from "../columns.js";
import type { CollectClock, Say } from "../ports.js";
import type { Reading } from "../reading.js";
import { type LabelSet, makeSeries, type Series } from "../series.js";
import type { HostReader } from "./host-reader.js";

const MS_PER_SECOND = 1_000;

interface WatchedReader {
  readonly reader: HostReader;
  readonly duration: Series;
  readonly success: Series;
  failing: boolean;
}

/**
 * All of the host's numbers in one reading. A source that fails costs its own series and nothing else: what it put is
 * taken back, `node_scrape_collector_success` is 0, and the change is said once, not at every beat.
 */
export class HostGroup {
  readonly #columns = new Columns();
  readonly #readers: WatchedReader[];
  readonly #clock: CollectClock;
  readonly #say: Say;

  constructor(readers: readonly HostReader[], common: LabelSet, clock: CollectClock, say: Say) {
    this.#clock = clock;
    this.#say = say;
    this.#readers = readers.map((reader) => {
      const labels = { collector: reader.name };
      return {
        reader,
        duration: makeSeries("node_scrape_collector_duration_seconds", labels, common),
        success: makeSeries("node_scrape_collector_success", labels, common),
        failing: false,
      };
    });
  }

  /** Reads every source once. Does not throw. */
  read(timestampMs: number): Reading[] {
    const columns = this.#columns;
    for (const watched of this.#readers) {
      const before = columns.count;
      const from = this.#clock.monotonic();
      let success = 1;
      try {
        watched.reader.read(columns, timestampMs);
        this.#recovered(watched);
      } catch (error) {
        columns.backTo(before);
        success = 0;
        this.#failed(watched, error);
      }
      columns.put(watched.duration, (this.#clock.monotonic() - from) / MS_PER_SECOND);
      columns.put(watched.success, success);
    }
    return columns.finish(timestampMs);
  }

  close(): void {
    for (const { reader } of this.#readers) reader.close();
  }

  #failed(watched: WatchedReader, error: unknown): void {
    if (watched.failing) return;
    watched.failing = true;
    const because = error instanceof Error ? error.message : String(error);
    this.#say("warn", "A source of host metrics cannot be read", { collector: watched.reader.name, because });
  }

  #recovered(watched: WatchedReader): void {
    if (!watched.failing) return;
    watched.failing = false;
    this.#say("info", "A source of host metrics can be read again", { collector: watched.reader.name });
  }
}
