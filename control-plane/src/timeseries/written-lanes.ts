/**
 * Samples that come with labels of their own, on the side that owns the hot window: from the writer's numbers to lanes.
 * Whoever writes from afar sends what was scraped from one target at one time more or less together, so the series of a
 * target that are first seen together share a lane.
 */
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import { acceptSeriesName, type SeriesLimits, type SortedLabels } from "./domain/accept-samples.js";
import { halvesOf } from "./domain/double-bits.js";
import type { HotWindow } from "./domain/hot-window.js";
import type { Layout } from "./domain/layout.js";
import { type Refusal, VERDICTS, verdictCode } from "./domain/refusal.js";
import type { NodeTable } from "./node-table.js";
import { type StoreCalls, WRITTEN, WRITTEN_LOG } from "./store-protocol.js";

type Request = StoreCalls["write"]["request"];
type Answer = StoreCalls["write"]["answer"];
type Example = Answer["refusals"][number]["example"];

/** Series of one lane. A row costs time for every column, so parts of very large targets get lanes of their own. */
const LANE_SERIES_MAX = 1_024;

/** In the place of a series: nothing stands for this number. */
const UNKNOWN = -verdictCode["unknown-series"];

interface WrittenLane {
  readonly layout: Layout;
  /** Its series that are still announced. */
  live: number;
  /** Samples of the batch under way, by their index. */
  readonly samples: number[];
}

export class WrittenLanes {
  readonly #window: HotWindow;
  readonly #nodes: NodeTable;
  readonly #limits: SeriesLimits;
  /** By the writer's number, the series of the window; negative: the code of the refusal. Arrays, for an object of each would weigh more than its samples. */
  readonly #known = new NumberTable(UNKNOWN);
  /** What a series is read with, until it has a lane; by series of the window. */
  readonly #targets = new Map<number, string>();
  /** By series of the window, how many numbers stand for it: writers may name the same one in two ways. */
  readonly #uses = new NumberTable(0);
  /** By series of the window: its lane, and the column there. */
  readonly #laneOf: (WrittenLane | undefined)[] = [];
  readonly #columnOf = new NumberTable(0);
  #row = new Float64Array(LANE_SERIES_MAX);
  #rowHalves = halvesOf(this.#row);
  readonly #absent = new Uint8Array(LANE_SERIES_MAX);

  constructor(window: HotWindow, nodes: NodeTable, options: { readonly seriesLimits: SeriesLimits }) {
    this.#window = window;
    this.#nodes = nodes;
    this.#limits = options.seriesLimits;
  }

  write(request: Request, now: Instant): Answer {
    const node = this.#nodes.node(WRITTEN);
    if (request.reset) this.#forgetAll();
    for (const ref of request.dropped) this.#forget(ref);
    const examples = new Map<Refusal, Example>();
    const before = this.#window.counts.slice();
    const forgotten: number[] = [];
    for (const { ref, labels } of request.fresh) {
      const verdict = acceptSeriesName(labels, {}, this.#limits);
      const id =
        verdict.kind === "kept"
          ? this.#window.hold(node.owner, verdict.labels)
          : -verdictCode[verdict.because];
      this.#forget(ref);
      this.#known.set(ref, id);
      if (id >= 0) {
        this.#uses.set(id, this.#uses.get(id) + 1);
        if (verdict.kind === "kept" && this.#laneOf[id] === undefined)
          this.#targets.set(id, targetOf(verdict.labels));
      } else {
        forgotten.push(ref);
        const because = VERDICTS[-id];
        if (because !== undefined && because !== "kept" && !examples.has(because)) {
          examples.set(because, { labels: pairsOf(labels), timestampMs: now });
        }
      }
    }
    for (const lane of this.#sort(request, node.owner)) this.#append(lane, request, now, examples);
    for (const ref of forgotten) this.#known.set(ref, UNKNOWN);
    if (request.series.length > 0) node.pendingSince ??= now;
    if (request.through > 0) {
      node.outboxId = WRITTEN_LOG;
      node.taken = Math.max(node.taken, request.through);
    }
    return { ...outcome(before, this.#window.counts, examples), forgotten };
  }

  /** The lanes that the samples go to, each with its samples. */
  #sort({ series, timestamps }: Request, owner: number): readonly WrittenLane[] {
    const { counts } = this.#window;
    const lanes: WrittenLane[] = [];
    const newcomers = new Map<string, { readonly ids: Set<number>; readonly samples: number[] }>();
    for (let index = 0; index < series.length; index++) {
      const id = this.#known.get(series[index] as number);
      if (id < 0) {
        counts[-id] = (counts[-id] as number) + 1;
        continue;
      }
      const lane = this.#laneOf[id];
      if (lane === undefined) {
        const key = `${timestamps[index]} ${this.#targets.get(id) ?? ""}`;
        const group = newcomers.get(key) ?? { ids: new Set(), samples: [] };
        newcomers.set(key, group);
        group.ids.add(id);
        group.samples.push(index);
      } else {
        if (lane.samples.length === 0) lanes.push(lane);
        lane.samples.push(index);
      }
    }
    const late: number[] = [];
    for (const { ids, samples } of newcomers.values()) {
      // A series may come at two times in the batch that brings it.
      const fresh = [...ids].filter((id) => this.#laneOf[id] === undefined);
      for (let at = 0; at < fresh.length; at += LANE_SERIES_MAX) {
        this.#open(owner, fresh.slice(at, at + LANE_SERIES_MAX));
      }
      late.push(...samples);
    }
    for (const index of late) {
      const lane = this.#laneOf[this.#known.get(series[index] as number)] as WrittenLane;
      if (lane.samples.length === 0) lanes.push(lane);
      lane.samples.push(index);
    }
    return lanes;
  }

  #open(owner: number, ids: readonly number[]): void {
    const layout = this.#window.openLayout(owner, ids);
    const lane: WrittenLane = { layout, live: ids.length, samples: [] };
    for (const [column, id] of ids.entries()) {
      this.#laneOf[id] = lane;
      this.#columnOf.set(id, column);
      this.#targets.delete(id);
    }
  }

  #append(lane: WrittenLane, request: Request, now: Instant, examples: Map<Refusal, Example>): void {
    const { timestamps, values, series } = request;
    const samples = lane.samples.splice(0);
    const inOrder = samples.every(
      (index, at) =>
        at === 0 || (timestamps[samples[at - 1] as number] as number) <= (timestamps[index] as number),
    );
    // The sort keeps the order of equals.
    if (!inOrder) samples.sort((a, b) => (timestamps[a] as number) - (timestamps[b] as number));
    const from = halvesOf(values);
    const { columns } = lane.layout.lane;
    const absent = this.#absent.subarray(0, columns);
    const row = this.#row.subarray(0, columns);
    let timestamp = Number.NaN;
    let cells = 0;
    const flush = (): void => {
      if (cells === 0) return;
      const refused = this.#window.appendCells(lane.layout, timestamp, row, absent, now);
      if (refused !== undefined && !examples.has(refused.because)) {
        const id = lane.layout.lane.series[refused.column] as number;
        examples.set(refused.because, { labels: this.#window.labelsOf(id), timestampMs: timestamp });
      }
      cells = 0;
    };
    for (const index of samples) {
      const column = this.#columnOf.get(this.#known.get(series[index] as number));
      const at = timestamps[index] as number;
      if (at !== timestamp || (cells > 0 && absent[column] === 0)) {
        flush();
        timestamp = at;
        absent.fill(1);
      }
      absent[column] = 0;
      this.#rowHalves[column * 2] = from[index * 2] as number;
      this.#rowHalves[column * 2 + 1] = from[index * 2 + 1] as number;
      cells++;
    }
    flush();
  }

  #forget(ref: number): void {
    const id = this.#known.get(ref);
    if (id === UNKNOWN) return;
    this.#known.set(ref, UNKNOWN);
    if (id < 0) return;
    this.#window.release(id);
    const uses = this.#uses.get(id) - 1;
    this.#uses.set(id, uses);
    if (uses > 0) return;
    this.#targets.delete(id);
    const lane = this.#laneOf[id];
    if (lane === undefined) return;
    this.#laneOf[id] = undefined;
    lane.live--;
    // A row costs room for every series of the lane: when most have gone, those left get a new one with their next sample.
    if (lane.live * 2 >= lane.layout.lane.columns && lane.live > 0) return;
    for (const other of lane.layout.lane.series) {
      if (this.#laneOf[other] !== lane) continue;
      this.#laneOf[other] = undefined;
      this.#targets.set(other, targetOf(Object.entries(this.#window.labelsOf(other)).flat()));
    }
    this.#window.closeLayout(lane.layout);
  }

  #forgetAll(): void {
    for (let ref = 0; ref < this.#known.end; ref++) this.#forget(ref);
    this.#known.clear();
  }
}

/** Whole numbers by whole number; what was not set has a value of its own. */
class NumberTable {
  /** One more than the highest place that was set. */
  end = 0;
  readonly #unset: number;
  #values = new Int32Array(0);

  constructor(unset: number) {
    this.#unset = unset;
  }

  get(at: number): number {
    return this.#values[at] ?? this.#unset;
  }

  set(at: number, value: number): void {
    if (at >= this.#values.length) {
      const values = new Int32Array(Math.max(1_024, Math.ceil((at + 1) * 1.5))).fill(this.#unset);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[at] = value;
    if (at >= this.end) this.end = at + 1;
  }

  clear(): void {
    this.#values = new Int32Array(0);
    this.end = 0;
  }
}

/** What a series is read with: its target, or for what has none its name. */
function targetOf(labels: SortedLabels): string {
  let name = "";
  let job = "";
  let instance = "";
  for (let at = 0; at < labels.length; at += 2) {
    const value = labels[at + 1] as string;
    if (labels[at] === "__name__") name = value;
    else if (labels[at] === "job") job = value;
    else if (labels[at] === "instance") instance = value;
  }
  return instance === "" ? `${job}\n\n${name}` : `${job}\n${instance}`;
}

function pairsOf(flat: readonly string[]): Labels {
  const labels: Record<string, string> = {};
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const name = flat[at] as string;
    if (name !== "__proto__") labels[name.slice(0, 100)] = (flat[at + 1] as string).slice(0, 100);
  }
  return labels;
}

function outcome(before: Float64Array, after: Float64Array, examples: ReadonlyMap<Refusal, Example>) {
  const refusals: { because: Refusal; samples: number; example: Example }[] = [];
  for (const [code, because] of VERDICTS.entries()) {
    const samples = (after[code] as number) - (before[code] as number);
    if (because !== "kept" && samples > 0)
      refusals.push({ because, samples, example: examples.get(because) });
  }
  return { kept: (after[0] as number) - (before[0] as number), refusals };
}
