/**
 * The table of series: from labels to a small integer and back, and from matchers to the series that fulfil them.
 */
import type { Labels, Matcher } from "../../kernel/labels.js";
import { compileMatcher, type ValuePredicate } from "../../promql/match.js";
import type { SortedLabels } from "./accept-samples.js";
import { LabelTable } from "./label-table.js";
import { intersect, union } from "./posting.js";

/** Answers to the same matchers are kept until the set of series changes; at most this many ids in all. */
const REMEMBERED_IDS_MAX = 4_000_000;
const REMEMBERED_ANSWERS_MAX = 2_000;

/** The prototype of label objects: nothing on it, so that a label may be called `constructor`; not null, for then V8 keeps a hash table for each. */
const BARE: object = Object.freeze(Object.create(null) as object);

export class SeriesIndex {
  readonly #table = new LabelTable();
  /** Pair ids of all series, one run each; ordered by label name. */
  #arena: Int32Array = new Int32Array(1_024);
  #arenaEnd = 0;
  /** Runs that were given back, by length. */
  readonly #freeRuns = new Map<number, number[]>();
  readonly #runStart: number[] = [];
  readonly #runLength: number[] = [];
  readonly #labels: (Labels | undefined)[] = [];
  readonly #freeIds: number[] = [];
  /** Open addressing over the pair ids: id + 1, or 0 for empty. */
  #slots: Int32Array = new Int32Array(1_024);
  #count = 0;
  #remembered = new Map<string, Int32Array>();
  #rememberedIds = 0;

  /** Series in the table. */
  get size(): number {
    return this.#count;
  }

  /** One more than the highest id ever given. */
  get idEnd(): number {
    return this.#runLength.length;
  }

  /** The series of these labels, if it is known. */
  find(labels: SortedLabels): number | undefined {
    const pairs: number[] = [];
    for (let index = 0; index < labels.length; index += 2) {
      const pair = this.#table.find(labels[index] as string, labels[index + 1] as string);
      if (pair === undefined) return undefined;
      pairs.push(pair);
    }
    const slot = this.#slotOf(pairs);
    const held = this.#slots[slot] as number;
    return held === 0 ? undefined : held - 1;
  }

  /** Adds a series that is not known. */
  add(labels: SortedLabels): number {
    const pairs: number[] = [];
    for (let index = 0; index < labels.length; index += 2) {
      pairs.push(this.#table.intern(labels[index] as string, labels[index + 1] as string));
    }
    const id = this.#freeIds.pop() ?? this.#runLength.length;
    const start = this.#takeRun(pairs.length);
    this.#arena.set(pairs, start);
    this.#runStart[id] = start;
    this.#runLength[id] = pairs.length;
    this.#labels[id] = undefined;
    for (const pair of pairs) this.#table.posting(pair).add(id);
    this.#count++;
    if (this.#count * 2 > this.#slots.length) this.#rehash(this.#slots.length * 2);
    else this.#slots[this.#slotOf(pairs)] = id + 1;
    this.#forgetAnswers();
    return id;
  }

  /** Removes series; their ids are given out again. */
  remove(ids: readonly number[]): void {
    if (ids.length === 0) return;
    const gone = new Set(ids);
    const touched = new Set<number>();
    for (const id of gone) {
      const start = this.#runStart[id] as number;
      const length = this.#runLength[id] as number;
      for (let at = start; at < start + length; at++) touched.add(this.#arena[at] as number);
      const runs = this.#freeRuns.get(length);
      if (runs === undefined) this.#freeRuns.set(length, [start]);
      else runs.push(start);
      this.#runLength[id] = 0;
      this.#labels[id] = undefined;
      this.#freeIds.push(id);
      this.#count--;
    }
    for (const pair of touched) {
      const posting = this.#table.posting(pair);
      posting.removeWhere((id) => gone.has(id));
      if (posting.length === 0) this.#table.release(pair);
    }
    this.#rehash(this.#slots.length);
    this.#forgetAnswers();
  }

  /** The labels; the same object each time as long as the series lives. */
  labelsOf(id: number): Labels {
    const known = this.#labels[id];
    if (known !== undefined) return known;
    const labels: Record<string, string> = Object.create(BARE);
    const start = this.#runStart[id] as number;
    const end = start + (this.#runLength[id] as number);
    for (let at = start; at < end; at++) {
      const pair = this.#arena[at] as number;
      labels[this.#table.nameOf(pair)] = this.#table.valueOf(pair);
    }
    this.#labels[id] = labels;
    return labels;
  }

  /** The labels as name, value, name, value. */
  sortedLabelsOf(id: number): SortedLabels {
    const sorted: string[] = [];
    const start = this.#runStart[id] as number;
    const end = start + (this.#runLength[id] as number);
    for (let at = start; at < end; at++) {
      const pair = this.#arena[at] as number;
      sorted.push(this.#table.nameOf(pair), this.#table.valueOf(pair));
    }
    return sorted;
  }

  /** All series that fulfil all matchers, ascending. Throws PromqlError for a pattern that is none. */
  select(matchers: readonly Matcher[]): Int32Array {
    const key = JSON.stringify(matchers.map((matcher) => [matcher.name, matcher.op, matcher.value]));
    const known = this.#remembered.get(key);
    if (known !== undefined) return known;
    const ids = this.#selectAnew(matchers).slice();
    if (
      this.#remembered.size >= REMEMBERED_ANSWERS_MAX ||
      this.#rememberedIds + ids.length > REMEMBERED_IDS_MAX
    ) {
      this.#forgetAnswers();
    }
    this.#remembered.set(key, ids);
    this.#rememberedIds += ids.length;
    return ids;
  }

  /** Names of labels that any of `ids` carries (all series when undefined), sorted. */
  labelNames(ids: Int32Array | undefined): string[] {
    if (ids === undefined) return [...this.#table.names()].sort();
    const names = new Set<string>();
    const seen = new Set<number>();
    for (const id of ids) {
      const start = this.#runStart[id] as number;
      const end = start + (this.#runLength[id] as number);
      for (let at = start; at < end; at++) {
        const pair = this.#arena[at] as number;
        if (seen.has(pair)) continue;
        seen.add(pair);
        names.add(this.#table.nameOf(pair));
      }
    }
    return [...names].sort();
  }

  /** Values of a label among `ids` (all series when undefined), sorted. */
  labelValues(name: string, ids: Int32Array | undefined): string[] {
    if (ids === undefined) return [...this.#table.pairsOf(name).keys()].sort();
    const values = new Set<string>();
    for (const id of ids) {
      const value = this.#valueIn(id, name);
      if (value !== "") values.add(value);
    }
    return [...values].sort();
  }

  #selectAnew(matchers: readonly Matcher[]): Int32Array {
    const lists: Int32Array[] = [];
    const filters: { name: string; holds: ValuePredicate }[] = [];
    for (const matcher of matchers) {
      const holds = compileMatcher(matcher);
      if (holds("") || matcher.op === "!=" || matcher.op === "!~") {
        // It takes series without the label too, or nearly all: cheaper to ask of those that the others leave.
        filters.push({ name: matcher.name, holds });
      } else if (matcher.op === "=") {
        const pair = this.#table.find(matcher.name, matcher.value);
        if (pair === undefined) return new Int32Array(0);
        lists.push(this.#table.posting(pair).ids);
      } else {
        const matching: Int32Array[] = [];
        for (const [value, pair] of this.#table.pairsOf(matcher.name)) {
          if (holds(value)) matching.push(this.#table.posting(pair).ids);
        }
        if (matching.length === 0) return new Int32Array(0);
        lists.push(union(matching));
      }
    }
    lists.sort((a, b) => a.length - b.length);
    let ids = lists[0] ?? this.#allIds();
    for (let index = 1; index < lists.length && ids.length > 0; index++) {
      ids = intersect(ids, lists[index] as Int32Array);
    }
    for (const { name, holds } of filters) {
      const known = new Map<string, boolean>();
      ids = ids.filter((id) => {
        const value = this.#valueIn(id, name);
        let answer = known.get(value);
        if (answer === undefined) {
          answer = holds(value);
          known.set(value, answer);
        }
        return answer;
      });
    }
    return ids;
  }

  #allIds(): Int32Array {
    const ids = new Int32Array(this.#count);
    let count = 0;
    for (let id = 0; id < this.#runLength.length; id++) {
      if ((this.#runLength[id] as number) > 0) ids[count++] = id;
    }
    return ids;
  }

  #valueIn(id: number, name: string): string {
    const start = this.#runStart[id] as number;
    const end = start + (this.#runLength[id] as number);
    for (let at = start; at < end; at++) {
      const pair = this.#arena[at] as number;
      if (this.#table.nameOf(pair) === name) return this.#table.valueOf(pair);
    }
    return "";
  }

  #takeRun(length: number): number {
    const free = this.#freeRuns.get(length)?.pop();
    if (free !== undefined) return free;
    if (this.#arenaEnd + length > this.#arena.length) {
      const grown = new Int32Array(Math.ceil((this.#arenaEnd + length) * 1.5));
      grown.set(this.#arena.subarray(0, this.#arenaEnd));
      this.#arena = grown;
    }
    const start = this.#arenaEnd;
    this.#arenaEnd += length;
    return start;
  }

  /** The slot that holds the series of these pairs, or the empty one where it would stand. */
  #slotOf(pairs: ArrayLike<number>): number {
    const mask = this.#slots.length - 1;
    let slot = hashPairs(pairs, 0, pairs.length) & mask;
    for (;;) {
      const held = this.#slots[slot] as number;
      if (held === 0 || this.#hasPairs(held - 1, pairs)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #hasPairs(id: number, pairs: ArrayLike<number>): boolean {
    if (this.#runLength[id] !== pairs.length) return false;
    const start = this.#runStart[id] as number;
    for (let index = 0; index < pairs.length; index++) {
      if (this.#arena[start + index] !== pairs[index]) return false;
    }
    return true;
  }

  #rehash(length: number): void {
    const slots = new Int32Array(length);
    const mask = length - 1;
    for (let id = 0; id < this.#runLength.length; id++) {
      const count = this.#runLength[id] as number;
      if (count === 0) continue;
      let slot = hashPairs(this.#arena, this.#runStart[id] as number, count) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }

  #forgetAnswers(): void {
    if (this.#remembered.size > 0) this.#remembered = new Map();
    this.#rememberedIds = 0;
  }
}

function hashPairs(pairs: ArrayLike<number>, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let index = start; index < start + length; index++) {
    hash = Math.imul(hash ^ (pairs[index] as number), 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash >>> 1;
}
