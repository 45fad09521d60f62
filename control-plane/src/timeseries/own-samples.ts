/**
 * Samples that the control plane itself makes: recording rules, `ALERTS`, `up`. They come as a list with labels and are
 * put into lanes by the series' numbers, so that one series that comes or goes changes one lane and not all.
 */
import type { Instant } from "../kernel/time.js";
import { acceptSeriesName, type SeriesLimits } from "./domain/accept-samples.js";
import { halvesOf } from "./domain/double-bits.js";
import type { HotWindow } from "./domain/hot-window.js";
import { verdictCode } from "./domain/refusal.js";
import type { NodeTable } from "./node-table.js";
import { OWN, type StoreCalls } from "./store-protocol.js";

/** Series with the same number over this share a lane when they come at the same time. */
const LANE_SERIES = 128;

export class OwnSamples {
  readonly #window: HotWindow;
  readonly #nodes: NodeTable;
  readonly #limits: SeriesLimits;

  constructor(window: HotWindow, nodes: NodeTable, options: { readonly seriesLimits: SeriesLimits }) {
    this.#window = window;
    this.#nodes = nodes;
    this.#limits = options.seriesLimits;
  }

  append({ names, timestamps, values }: StoreCalls["append"]["request"], now: Instant): undefined {
    const node = this.#nodes.node(OWN);
    const held: number[] = [];
    const byTime = new Map<Instant, Map<number, [series: number, index: number][]>>();
    for (const [index, labels] of names.entries()) {
      const verdict = acceptSeriesName(labels, {}, this.#limits);
      const id =
        verdict.kind === "kept"
          ? this.#window.hold(node.owner, verdict.labels)
          : -verdictCode[verdict.because];
      if (id < 0) {
        this.#window.counts[-id] = (this.#window.counts[-id] as number) + 1;
        continue;
      }
      held.push(id);
      const timestamp = timestamps[index] as number;
      const lanes = byTime.get(timestamp) ?? new Map<number, [number, number][]>();
      byTime.set(timestamp, lanes);
      const key = Math.floor(id / LANE_SERIES);
      const lane = lanes.get(key);
      if (lane === undefined) lanes.set(key, [[id, index]]);
      else lane.push([id, index]);
    }
    const from = halvesOf(values);
    for (const [timestamp, lanes] of byTime) {
      for (const samples of lanes.values()) {
        samples.sort((a, b) => a[0] - b[0]);
        const frame = new Float64Array(samples.length);
        const to = halvesOf(frame);
        for (const [at, [, index]] of samples.entries()) {
          to[at * 2] = from[index * 2] as number;
          to[at * 2 + 1] = from[index * 2 + 1] as number;
        }
        const layout = this.#window.openLayout(
          node.owner,
          samples.map(([id]) => id),
        );
        this.#window.append(layout, timestamp, frame, now);
        this.#window.closeLayout(layout);
      }
    }
    for (const id of held) this.#window.release(id);
    if (names.length > 0) node.pendingSince ??= now;
    return undefined;
  }
}
