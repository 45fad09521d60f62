import { farewellTo } from "../columns.js";
import { markStale, type Reading, type SeriesSet } from "../reading.js";
import { type LabelSet, type Series, seriesKey, seriesOfPairs } from "../series.js";
import { parseExposition, parseSeriesText } from "./parse-exposition.js";

interface Entry {
  readonly series: Series;
  /** Its place in the set. */
  place: number;
  /** The scrape that had it last. */
  seen: number;
}

/** What one body had. */
export interface Scraped {
  readonly samples: number;
  /** Samples of a series that the body had before: the first is kept. */
  readonly duplicates: number;
  readonly readings: readonly Reading[];
}

/**
 * A target's series, by the text that names them. A text is parsed the first time only: after that a sample is a look
 * into a map and a store into an array. The order of lines may differ from scrape to scrape (Go maps do that to
 * exporters); the set stays the same object as long as the same series come.
 */
export class ScrapedColumns {
  readonly #targetLabels: LabelSet;
  readonly #sampleLimit: number;
  #byText = new Map<string, Entry>();
  #byKey = new Map<string, Entry>();
  #set: SeriesSet = { series: [] };
  #values = new Float64Array(0);
  #scrape = 0;
  /** All of the set is marked stale already. */
  #absent = true;

  constructor(targetLabels: LabelSet, sampleLimit: number) {
    this.#targetLabels = targetLabels;
    this.#sampleLimit = sampleLimit;
  }

  /** Takes over a body. On a fault nothing of it is believed, and the caller says `gone`. */
  take(text: string, timestampMs: number): Scraped | { readonly because: string } {
    const scrape = ++this.#scrape;
    const known = this.#set.series.length;
    const added: Entry[] = [];
    const addedValues: number[] = [];
    let samples = 0;
    let duplicates = 0;
    let seen = 0;
    let because: string | undefined;
    if (this.#values.length !== known) this.#values = new Float64Array(known);
    const values = this.#values;
    const take = (seriesText: string, value: number): boolean => {
      if (++samples > this.#sampleLimit) {
        because = `more than ${this.#sampleLimit} samples (sampleLimit)`;
        return false;
      }
      let entry = this.#byText.get(seriesText);
      if (entry === undefined) {
        const made = this.#entryOf(seriesText);
        if ("because" in made) {
          because = made.because;
          return false;
        }
        entry = made;
      }
      if (entry.seen === scrape) {
        duplicates++;
        return true;
      }
      entry.seen = scrape;
      if (entry.place >= 0 && entry.place < known) {
        values[entry.place] = value;
        seen++;
      } else {
        entry.place = known + added.length;
        added.push(entry);
        addedValues.push(value);
      }
      return true;
    };
    const fault = parseExposition(text, take, (seriesText) => this.#byText.has(seriesText));
    if (fault !== undefined) because = `line ${fault.line}: ${fault.because}`;
    if (because !== undefined) {
      this.#forget((entry) => entry.place < known && entry.place >= 0);
      return { because };
    }
    const readings: Reading[] = [];
    if (added.length > 0 || seen < known) {
      readings.push(...this.#change(scrape, added, addedValues, timestampMs));
    }
    if (this.#set.series.length > 0) {
      readings.push({ timestampMs, set: this.#set, values: this.#values.slice() });
    }
    this.#absent = false;
    return { samples, duplicates, readings };
  }

  /** Marks every series stale, once: the target did not answer. */
  gone(timestampMs: number): Reading | undefined {
    if (this.#absent || this.#set.series.length === 0) return undefined;
    this.#absent = true;
    const values = new Float64Array(this.#set.series.length);
    for (let i = 0; i < values.length; i++) markStale(values, i);
    return { timestampMs, set: this.#set, values };
  }

  /** Another set: what stays in its order, then what is new. */
  #change(
    scrape: number,
    added: readonly Entry[],
    addedValues: readonly number[],
    timestampMs: number,
  ): Reading[] {
    const before = this.#set;
    const stay = [...this.#byKey.values()]
      .filter((entry) => entry.seen === scrape && entry.place < before.series.length)
      .sort((a, b) => a.place - b.place);
    const values = new Float64Array(stay.length + added.length);
    for (const [i, entry] of stay.entries()) values[i] = this.#values[entry.place] as number;
    values.set(addedValues, stay.length);
    for (const [i, entry] of [...stay, ...added].entries()) entry.place = i;
    this.#forget((entry) => entry.seen === scrape);
    this.#set = { series: [...stay, ...added].map(({ series }) => series) };
    this.#values = values;
    const farewell = this.#absent ? undefined : farewellTo(before, this.#set, timestampMs);
    return farewell === undefined ? [] : [farewell];
  }

  /** Drops entries that are not to be kept, so that a target that renames its series for ever does not fill memory. */
  #forget(keep: (entry: Entry) => boolean): void {
    for (const map of [this.#byText, this.#byKey]) {
      for (const [text, entry] of map) if (!keep(entry)) map.delete(text);
    }
  }

  #entryOf(seriesText: string): Entry | { readonly because: string } {
    const parsed = parseSeriesText(seriesText);
    if ("because" in parsed) return parsed;
    const series = seriesOfPairs(parsed.name, this.#pairsOf(parsed.labels));
    const key = seriesKey(series);
    // `a{x="1"}` and `a{x="1",}` are one series under two texts.
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = { series, place: -1, seen: 0 };
      this.#byKey.set(key, entry);
    }
    // A copy: a slice would keep the whole body alive.
    this.#byText.set(Buffer.from(seriesText, "utf8").toString("utf8"), entry);
    return entry;
  }

  /** The target's labels win; a sample's label of the same name goes on as exported_. */
  #pairsOf(own: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] {
    const pairs = new Map(Object.entries(this.#targetLabels));
    const ownNames = new Set(own.map(([name]) => name));
    for (const [name, value] of own) {
      let free = name;
      while (pairs.has(free) || (free !== name && ownNames.has(free))) free = `exported_${free}`;
      pairs.set(free, value);
    }
    return [...pairs];
  }
}
