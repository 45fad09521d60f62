/** `/federate`: the newest sample of every series that is selected, in the text format. */
import { OpsError } from "../../kernel/errors.js";
import { compareText, type Labels, labelsKey, type Matcher, METRIC_NAME } from "../../kernel/labels.js";
import type { Clock } from "../../platform/system.js";
import { formatMatcher } from "../../promql/format.js";
import type { TimeSeriesDoor } from "../../timeseries/timeseries.module.js";
import type { Asked, HttpAnswer } from "../http-endpoint.js";
import { selectors } from "./parameters.js";
import { formatValue } from "./shapes.js";

export interface FederateDeps {
  readonly series: Pick<TimeSeriesDoor, "query">;
  readonly clock: Clock;
  /** What a series does not say itself, and all of this house say to others. @default none */
  readonly externalLabels?: Labels;
}

interface Newest {
  readonly labels: Labels;
  readonly at: number;
  readonly value: number;
}

/** The selector's text, whatever form it was read from. */
export const selectorText = (matchers: readonly Matcher[]): string =>
  `{${matchers.map(formatMatcher).join(",")}}`;

export async function federate(
  { series, clock, externalLabels = {} }: FederateDeps,
  { fields, signal }: Asked,
): Promise<HttpAnswer> {
  const wanted = selectors(fields);
  if (wanted.length === 0) throw new OpsError("INVALID_ARGUMENT", "no match[] parameter provided");
  const now = clock.now();
  const found = new Map<string, Newest>();
  for (const matchers of wanted) {
    const text = selectorText(matchers);
    // Which series have not ended is in the one answer, when their samples were taken in the other.
    const [current, recent] = await Promise.all([
      series.query(text, now, { signal }),
      series.query(`${text}[5m]`, now, { signal }),
    ]);
    if (current.kind !== "vector" || recent.kind !== "matrix") continue;
    const times = new Map(
      recent.series.map(({ labels, timestamps }) => [labelsKey(labels), timestamps.at(-1)]),
    );
    for (const { labels, value } of current.samples) {
      const key = labelsKey(labels);
      if (labels[METRIC_NAME] !== undefined)
        found.set(key, { labels: { ...externalLabels, ...labels }, at: times.get(key) ?? now, value });
    }
  }
  return {
    status: 200,
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    body: exposition([...found.values()]),
  };
}

function exposition(samples: readonly Newest[]): string {
  const nameOf = ({ labels }: Newest): string => labels[METRIC_NAME] ?? "";
  const sorted = samples
    .map((sample) => ({ sample, name: nameOf(sample), pairs: pairsOf(sample.labels) }))
    .sort((a, b) => compareText(a.name, b.name) || compareText(a.pairs, b.pairs));
  let text = "";
  let last: string | undefined;
  for (const { sample, name, pairs } of sorted) {
    if (name !== last) text += `# TYPE ${name} untyped\n`;
    last = name;
    text += `${name}${pairs} ${formatValue(sample.value)} ${sample.at}\n`;
  }
  return text;
}

function pairsOf(labels: Labels): string {
  const escaped = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
  const names = Object.keys(labels)
    .filter((name) => name !== METRIC_NAME)
    .sort(compareText);
  // Whoever reads these takes an absent `instance` for the federating server's own.
  const pairs = names.map((name) => `${name}="${escaped(labels[name] ?? "")}"`);
  if (labels["instance"] === undefined) pairs.push('instance=""');
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
