/** Labels, their values, series, and what is known of metrics. */
import { OpsError } from "../../kernel/errors.js";
import { compareText } from "../../kernel/labels.js";
import type { Clock } from "../../platform/system.js";
import type { SeriesFilter, TimeSeriesDoor } from "../../timeseries/timeseries.module.js";
import type { Endpoint, Fields } from "../http-endpoint.js";
import { type Answer, enveloped, GET, GET_OR_POST, QUERY, TRUNCATED } from "./envelope.js";
import type { MetricNotes } from "./metric-notes.js";
import { EARLIEST, LATEST, limit, selectors, text, texts, time } from "./parameters.js";

export interface SeriesListDeps {
  readonly series: Pick<TimeSeriesDoor, "labelNames" | "labelValues" | "series">;
  readonly notes: MetricNotes;
  readonly clock: Clock;
}

export function seriesListEndpoints(deps: SeriesListDeps): readonly Endpoint[] {
  const { series } = deps;
  return [
    enveloped("labels", GET_OR_POST, QUERY, async ({ fields }) =>
      listed(await series.labelNames(filter(deps, fields))),
    ),
    enveloped("label/*/values", GET, QUERY, async ({ fields, segment }) =>
      listed(await series.labelValues(labelName(segment), filter(deps, fields))),
    ),
    enveloped("series", GET_OR_POST, QUERY, async ({ fields }) => {
      if (texts(fields, "match[]").length === 0)
        throw new OpsError("INVALID_ARGUMENT", "no match[] parameter provided");
      return listed(await series.series(filter(deps, fields)));
    }),
    enveloped("metadata", GET, QUERY, ({ fields }) => metadata(deps, fields)),
  ];
}

function filter({ clock }: SeriesListDeps, fields: Fields): SeriesFilter {
  const most = limit(fields);
  const from = time(fields, "start", EARLIEST);
  const to = Math.min(time(fields, "end", LATEST), clock.now());
  return { selectors: selectors(fields), from, to, ...(most === undefined ? {} : { limit: most }) };
}

/** Names beyond the classic form come as `U__`, with other characters as `_HEX_` and underscores doubled. */
function labelName(name: string): string {
  if (name === "" || !name.isWellFormed()) {
    throw new OpsError("INVALID_ARGUMENT", `invalid label name: ${JSON.stringify(name.slice(0, 100))}`);
  }
  if (!name.startsWith("U__")) return name;
  const text = name.slice(3).replace(/__|_([0-9a-fA-F]{1,6})_/g, (whole, hex: string | undefined) => {
    if (hex === undefined) return "_";
    const point = Number.parseInt(hex, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
  return text.isWellFormed() && text !== "" ? text : name;
}

function listed({ items, truncated }: { items: readonly unknown[]; truncated: boolean }): Answer {
  return { data: items, ...(truncated ? { warnings: [TRUNCATED] } : {}) };
}

/** What writers said of metrics; of the rest a counter is known by its name, and the type of others is not claimed. */
async function metadata(deps: SeriesListDeps, fields: Fields): Promise<Answer> {
  const wanted = text(fields, "metric");
  const perMetric = limit(fields, "limit_per_metric");
  const { items } = await deps.series.labelValues("__name__", filter(deps, {}));
  const names = items.filter((name) => wanted === undefined || name === wanted).sort(compareText);
  const entries = names.slice(0, limit(fields)).map((name): [string, readonly object[]] => {
    const noted = deps.notes.of(name);
    if (noted !== undefined) return [name, [noted].slice(0, perMetric)];
    return [name, [{ type: name.endsWith("_total") ? "counter" : "unknown", help: "", unit: "" }]];
  });
  return { data: Object.fromEntries(entries) };
}
