/**
 * The Prometheus HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/) over this house's series and
 * rules: what Grafana, promtool and operators' scripts ask.
 */
import { OpsError } from "../../kernel/errors.js";
import { compareText, type Matcher } from "../../kernel/labels.js";
import type { Clock } from "../../platform/system.js";
import { PromqlError } from "../../promql/errors.js";
import { parseExpr, parseSelector } from "../../promql/parse.js";
import type { Value } from "../../promql/value.js";
import type { SeriesFilter, TimeSeriesDoor } from "../../timeseries/timeseries.module.js";
import type { AlertingReads, PromRuleGroup } from "./alerting-reads.js";
import {
  bad,
  duration,
  EARLIEST,
  type Fields,
  LATEST,
  limit,
  range,
  text,
  texts,
  time,
} from "./parameters.js";
import { alertShape, groupShape, type QueryData, queryData } from "./shapes.js";

/** What a successful answer holds. */
export interface Answer {
  readonly data: unknown;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

export interface Endpoint {
  /** Below `/api/v1/`; `*` stands for one segment. */
  readonly path: string;
  readonly verbs: readonly ("GET" | "POST")[];
  /** The operator method whose permit this needs. */
  readonly needs: string;
  readonly answer: (fields: Fields, segment: string, signal: AbortSignal) => Promise<Answer>;
}

export interface PrometheusDeps {
  readonly series: Pick<TimeSeriesDoor, "query" | "queryRange" | "labelNames" | "labelValues" | "series">;
  readonly alerting: AlertingReads;
  readonly clock: Clock;
  readonly version: string;
}

const QUERY = "mainstay.operator.v1.MetricsService/Query";
const ALERTS = "mainstay.operator.v1.AlertsService/ListAlerts";
const RULES = "mainstay.operator.v1.AlertsService/ListRules";
const BOTH = ["GET", "POST"] as const;
const GET = ["GET"] as const;

/** As Prometheus has it when nothing is asked. */
const TIMEOUT_MAX = 120_000;
const TRUNCATED = "results truncated due to limit";

/** The release of Prometheus whose API and language are spoken; clients choose their features by it. */
const SPOKEN_VERSION = "3.5.0";

export function prometheusEndpoints(deps: PrometheusDeps): readonly Endpoint[] {
  return [
    { path: "query", verbs: BOTH, needs: QUERY, answer: (fields, _, signal) => query(deps, fields, signal) },
    {
      path: "query_range",
      verbs: BOTH,
      needs: QUERY,
      answer: (fields, _, signal) => queryRange(deps, fields, signal),
    },
    { path: "query_exemplars", verbs: BOTH, needs: QUERY, answer: async () => ({ data: [] }) },
    {
      path: "labels",
      verbs: BOTH,
      needs: QUERY,
      answer: async (fields) => listed(await deps.series.labelNames(filter(deps, fields))),
    },
    {
      path: "label/*/values",
      verbs: GET,
      needs: QUERY,
      answer: async (fields, name) =>
        listed(await deps.series.labelValues(labelName(name), filter(deps, fields))),
    },
    { path: "series", verbs: BOTH, needs: QUERY, answer: (fields) => series(deps, fields) },
    { path: "metadata", verbs: GET, needs: QUERY, answer: (fields) => metadata(deps, fields) },
    {
      path: "targets",
      verbs: GET,
      needs: QUERY,
      answer: async () => ({ data: { activeTargets: [], droppedTargets: [] } }),
    },
    {
      path: "alertmanagers",
      verbs: GET,
      needs: QUERY,
      answer: async () => ({ data: { activeAlertmanagers: [], droppedAlertmanagers: [] } }),
    },
    {
      path: "alerts",
      verbs: GET,
      needs: ALERTS,
      answer: async () => ({ data: { alerts: (await deps.alerting.alerts()).map(alertShape) } }),
    },
    { path: "rules", verbs: GET, needs: RULES, answer: (fields) => rules(deps, fields) },
    {
      path: "status/buildinfo",
      verbs: GET,
      needs: QUERY,
      answer: async () => ({ data: buildInfo(deps.version) }),
    },
  ];
}

async function query(deps: PrometheusDeps, fields: Fields, signal: AbortSignal): Promise<Answer> {
  const at = time(fields, "time", deps.clock.now());
  const expr = expression(fields);
  return answered(
    await run(() => deps.series.query(expr, at, { signal, ...timeout(fields) })),
    limit(fields),
  );
}

async function queryRange(deps: PrometheusDeps, fields: Fields, signal: AbortSignal): Promise<Answer> {
  const { from, to, step } = range(fields);
  const expr = expression(fields);
  const value = await run(() => deps.series.queryRange(expr, from, to, step, { signal, ...timeout(fields) }));
  return answered(value, limit(fields));
}

/** The expression, parsed once here so that a fault in its text is told from one in its evaluation. */
function expression(fields: Fields): string {
  const expr = text(fields, "query") ?? "";
  try {
    parseExpr(expr);
  } catch (error) {
    if (error instanceof PromqlError) throw bad("query", error.message);
    throw error;
  }
  return expr;
}

/** A valid expression that cannot be answered is "execution" in Prometheus' words. */
async function run<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OpsError && error.code === "INVALID_ARGUMENT") {
      throw new OpsError("FAILED_PRECONDITION", error.message, error.facts, { cause: error });
    }
    throw error;
  }
}

function timeout(fields: Fields): { timeoutMs?: number } {
  const asked = duration(fields, "timeout");
  if (asked === undefined) return {};
  if (asked <= 0) throw bad("timeout", "timeout must be positive");
  return { timeoutMs: Math.min(asked, TIMEOUT_MAX) };
}

function answered(value: Value, most: number | undefined): Answer {
  const data = queryData(value);
  const cut = most !== undefined && isSeries(data) && data.result.length > most;
  const warnings = cut ? [...value.warnings, TRUNCATED] : value.warnings;
  return {
    data: cut ? { ...data, result: data.result.slice(0, most) } : data,
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(value.infos.length === 0 ? {} : { infos: value.infos }),
  };
}

const isSeries = (data: QueryData): boolean => data.resultType === "vector" || data.resultType === "matrix";

function filter(deps: PrometheusDeps, fields: Fields): SeriesFilter {
  const most = limit(fields);
  const to = Math.min(time(fields, "end", LATEST), deps.clock.now());
  return {
    selectors: texts(fields, "match[]").map(selector),
    from: time(fields, "start", EARLIEST),
    to,
    ...(most === undefined ? {} : { limit: most }),
  };
}

function selector(text: string): readonly Matcher[] {
  try {
    return parseSelector(text);
  } catch (error) {
    if (error instanceof PromqlError) throw bad("match[]", error.message);
    throw error;
  }
}

function labelName(name: string): string {
  if (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) return name;
  throw new OpsError("INVALID_ARGUMENT", `invalid label name: "${name.slice(0, 100)}"`);
}

function listed({ items, truncated }: { items: readonly unknown[]; truncated: boolean }): Answer {
  return { data: items, ...(truncated ? { warnings: [TRUNCATED] } : {}) };
}

async function series(deps: PrometheusDeps, fields: Fields): Promise<Answer> {
  if (texts(fields, "match[]").length === 0)
    throw new OpsError("INVALID_ARGUMENT", "no match[] parameter provided");
  return listed(await deps.series.series(filter(deps, fields)));
}

/** Agents send no help texts; a counter is known by its name, and of the rest the type is not claimed. */
async function metadata(deps: PrometheusDeps, fields: Fields): Promise<Answer> {
  const wanted = text(fields, "metric");
  const { items } = await deps.series.labelValues("__name__", filter(deps, {}));
  const names = items.filter((name) => wanted === undefined || name === wanted).sort(compareText);
  const entry = (name: string) => [
    { type: name.endsWith("_total") ? "counter" : "unknown", help: "", unit: "" },
  ];
  return { data: Object.fromEntries(names.slice(0, limit(fields)).map((name) => [name, entry(name)])) };
}

async function rules(deps: PrometheusDeps, fields: Fields): Promise<Answer> {
  const type = text(fields, "type");
  if (type !== undefined && type !== "alert" && type !== "record") {
    throw bad("type", `not supported value "${type.slice(0, 100)}"`);
  }
  const named = texts(fields, "rule_name[]");
  const inGroup = texts(fields, "rule_group[]");
  const inFile = texts(fields, "file[]");
  const withAlerts = text(fields, "exclude_alerts") !== "true";
  const kind = type === "alert" ? "alerting" : type === "record" ? "recording" : undefined;
  const keep = (group: PromRuleGroup): PromRuleGroup => ({
    ...group,
    rules: group.rules.filter(
      (rule) =>
        (kind === undefined || rule.kind === kind) && (named.length === 0 || named.includes(rule.name)),
    ),
  });
  const groups = (await deps.alerting.rules())
    .filter((group) => inGroup.length === 0 || inGroup.includes(group.name))
    .filter((group) => inFile.length === 0 || inFile.includes(group.file))
    .map(keep)
    .filter((group) => group.rules.length > 0);
  return { data: { groups: groups.map((group) => groupShape(group, withAlerts)) } };
}

function buildInfo(version: string): object {
  const revision = `mainstay-${version}`;
  return {
    version: SPOKEN_VERSION,
    revision,
    branch: "mainstay",
    buildUser: "",
    buildDate: "",
    goVersion: "",
  };
}
