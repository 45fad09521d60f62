/** What this server says of itself, in the words of a Prometheus. */
import type { Labels } from "../../kernel/labels.js";
import { type Duration, formatDuration, type Instant } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import type { TimeSeriesDoor } from "../../timeseries/timeseries.module.js";
import type { Endpoint, Fields } from "../http-endpoint.js";
import { type Answer, enveloped, GET, QUERY } from "./envelope.js";
import { limit } from "./parameters.js";

export interface StatusDeps {
  readonly series: Pick<TimeSeriesDoor, "query" | "figures">;
  readonly clock: Clock;
  readonly version: string;
  readonly startedAt: Instant;
  readonly ruleFiles: readonly string[];
  /** How long samples are kept. */
  readonly retention: Duration;
  /** What this house says of itself to other systems. @default none */
  readonly externalLabels?: Labels;
}

/** The release of Prometheus whose API and language are spoken; clients choose their features by it. */
const SPOKEN_VERSION = "3.5.0";
const LISTED_DEFAULT = 10;
const LISTED_MAX = 1_000;

export function statusEndpoints(deps: StatusDeps): readonly Endpoint[] {
  const { startedAt, clock, retention } = deps;
  const iso = (at: Instant): string => new Date(at).toISOString();
  return [
    enveloped("status/buildinfo", GET, QUERY, async () => ({ data: buildInfo(deps.version) })),
    enveloped("status/config", GET, QUERY, async () => ({ data: { yaml: configText(deps) } })),
    enveloped("status/flags", GET, QUERY, async () => ({ data: flags(retention) })),
    enveloped("status/runtimeinfo", GET, QUERY, async () => ({
      data: {
        startTime: iso(startedAt),
        CWD: "",
        hostname: "",
        serverTime: iso(clock.now()),
        reloadConfigSuccess: true,
        lastConfigTime: iso(startedAt),
        corruptionCount: 0,
        goroutineCount: 0,
        GOMAXPROCS: 0,
        GOMEMLIMIT: 0,
        GOGC: "",
        GODEBUG: "",
        storageRetention: formatDuration(retention),
      },
    })),
    enveloped("status/tsdb", GET, QUERY, ({ fields }) => tsdb(deps, fields)),
    enveloped("status/walreplay", GET, QUERY, async () => ({
      data: { min: 0, max: 0, current: 0, state: "done" },
    })),
    enveloped("notifications", GET, QUERY, async () => ({ data: [] })),
    enveloped("features", GET, QUERY, async () => ({ data: {} })),
  ];
}

function buildInfo(version: string): object {
  return {
    version: SPOKEN_VERSION,
    revision: `mainstay-${version}`,
    branch: "mainstay",
    buildUser: "",
    buildDate: "",
    goVersion: "",
  };
}

/** A configuration that a Prometheus would take: what is read from files here. */
function configText({ ruleFiles, externalLabels = {} }: StatusDeps): string {
  const labels = Object.entries(externalLabels).map(
    ([name, value]) => `    ${name}: ${JSON.stringify(value)}\n`,
  );
  const files = ruleFiles.map((file) => `  - ${JSON.stringify(file)}\n`);
  return [
    labels.length === 0 ? "global: {}\n" : `global:\n  external_labels:\n${labels.join("")}`,
    files.length === 0 ? "" : `rule_files:\n${files.join("")}`,
  ].join("");
}

const flags = (retention: Duration): Readonly<Record<string, string>> => ({
  "query.lookback-delta": "5m",
  "query.max-concurrency": "256",
  "query.max-samples": "50000000",
  "query.timeout": "2m",
  "storage.tsdb.retention.time": formatDuration(retention),
  "web.enable-admin-api": "false",
  "web.enable-lifecycle": "true",
  "web.enable-remote-write-receiver": "true",
});

interface Counted {
  readonly name: string;
  readonly value: number;
}

async function tsdb(deps: StatusDeps, fields: Fields): Promise<Answer> {
  const most = Math.min(limit(fields) ?? LISTED_DEFAULT, LISTED_MAX);
  const now = deps.clock.now();
  const counted = async (expr: string, nameOf: (labels: Readonly<Record<string, string>>) => string) => {
    const value = await deps.series.query(`topk(${most}, ${expr})`, now);
    if (value.kind !== "vector") return [];
    return value.samples.map((sample): Counted => ({ name: nameOf(sample.labels), value: sample.value }));
  };
  const [figures, byMetric, byJob] = await Promise.all([
    deps.series.figures(),
    counted('count by (__name__) ({__name__!=""})', (labels) => labels["__name__"] ?? ""),
    counted('count by (job) ({job!=""})', (labels) => `job=${labels["job"] ?? ""}`),
  ]);
  return {
    data: {
      headStats: {
        numSeries: figures.activeSeries,
        numLabelPairs: 0,
        chunkCount: figures.chunksWritten,
        minTime: 0,
        maxTime: now,
      },
      seriesCountByMetricName: byMetric,
      labelValueCountByLabelName: [],
      memoryInBytesByLabelName: [],
      seriesCountByLabelValuePair: byJob,
    },
  };
}
