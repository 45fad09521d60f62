/** Label sets of series, made once and kept: a series is its array, so that comparing two is comparing two pointers. */

/** A series: name, value, name, value; `__name__` first, the rest sorted by name. */
export type Series = readonly string[];

/** Labels that every series of a source carries, such as `instance` and `job`. */
export type LabelSet = Readonly<Record<string, string>>;

/** Bound of a label's value in bytes of UTF-8, roughly: UTF-16 units. Longer ones are cut; a mount point may be 4,096. */
export const LABEL_VALUE_MAX = 1_024;

/**
 * A series from its name and labels. A label of its own wins over one of `common`; a label with an empty value is no
 * label, as in Prometheus.
 */
export function makeSeries(name: string, labels: LabelSet, common: LabelSet): Series {
  return seriesOfPairs(name, Object.entries({ ...common, ...labels }));
}

/** A series from its name and label pairs, of which no two have one name. */
export function seriesOfPairs(
  name: string,
  pairs: readonly (readonly [name: string, value: string])[],
): Series {
  const series = ["__name__", name];
  // By code unit, as Prometheus sorts; the locale must not have a say.
  for (const [key, value] of [...pairs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (value !== "") series.push(key, cutLabelValue(value));
  }
  return series;
}

/** A text that says which series this is; two arrays with the same labels have the same key. */
export function seriesKey(series: Series): string {
  // U+0000 cannot come from a kernel name, a path or a cleaned label.
  return series.join("\u0000");
}

/** The value of a label of a series; undefined when it has none. */
export function labelOf(series: Series, name: string): string | undefined {
  for (let i = 0; i + 1 < series.length; i += 2) if (series[i] === name) return series[i + 1];
  return undefined;
}

/** What cannot be a label value: U+0000, which is the key's own separator, and halves of surrogate pairs. */
const UNFIT = /[\0\p{Surrogate}]/u;
const ALL_UNFIT = /[\0\p{Surrogate}]/gu;

/** A label value within its bound and fit to be UTF-8. */
function cutLabelValue(value: string): string {
  const cut = value.length > LABEL_VALUE_MAX ? value.slice(0, LABEL_VALUE_MAX) : value;
  return UNFIT.test(cut) ? cut.replaceAll(ALL_UNFIT, "\ufffd") : cut;
}
