/** What is watched, as `up` knows it: agents, and whatever else says of itself whether it can be reached. */
import { compareText, type Labels, labelsKey, METRIC_NAME } from "../../kernel/labels.js";
import type { Clock } from "../../platform/system.js";
import type { TimeSeriesDoor } from "../../timeseries/timeseries.module.js";
import type { Endpoint, Fields } from "../http-endpoint.js";
import { type Answer, enveloped, GET, QUERY } from "./envelope.js";
import { text } from "./parameters.js";

export interface TargetDeps {
  readonly series: Pick<TimeSeriesDoor, "query">;
  readonly clock: Clock;
}

export function targetEndpoints(deps: TargetDeps): readonly Endpoint[] {
  return [
    enveloped("targets", GET, QUERY, ({ fields }) => targets(deps, fields)),
    enveloped("scrape_pools", GET, QUERY, async () => ({
      data: { scrapePools: [...new Set((await readTargets(deps)).map(poolOf))].sort(compareText) },
    })),
    enveloped("targets/metadata", GET, QUERY, async () => ({ data: [] })),
    enveloped("targets/relabel_steps", GET, QUERY, async () => ({ data: { steps: [] } })),
    // Notices are decided in this house: there is no other server that they are sent to.
    enveloped("alertmanagers", GET, QUERY, async () => ({
      data: { activeAlertmanagers: [], droppedAlertmanagers: [] },
    })),
  ];
}

interface Target {
  readonly labels: Labels;
  readonly up: boolean;
  /** Seconds since 1970. */
  readonly seenAt: number | undefined;
  /** Seconds. */
  readonly took: number | undefined;
}

const poolOf = ({ labels }: Target): string => labels["job"] ?? "";

async function targets(deps: TargetDeps, fields: Fields): Promise<Answer> {
  const state = (text(fields, "state") ?? "any").toLowerCase();
  const pool = text(fields, "scrapePool");
  // As Prometheus: whatever is neither "active" nor "dropped" means both.
  const active = state === "dropped" ? [] : await readTargets(deps);
  return {
    data: {
      activeTargets: active
        .filter((target) => pool === undefined || poolOf(target) === pool)
        .map(targetShape),
      droppedTargets: [],
      droppedTargetCounts: {},
    },
  };
}

async function readTargets({ series, clock }: TargetDeps): Promise<readonly Target[]> {
  const now = clock.now();
  const read = async (expr: string): Promise<ReadonlyMap<string, number>> => {
    const value = await series.query(expr, now);
    const samples = value.kind === "vector" ? value.samples : [];
    return new Map(samples.map(({ labels, value: number }) => [labelsKey(unnamed(labels)), number]));
  };
  const [up, seenAt, took] = await Promise.all([
    series.query("up", now),
    read("timestamp(up)"),
    read("scrape_duration_seconds"),
  ]);
  if (up.kind !== "vector") return [];
  return up.samples
    .map(({ labels: all, value }): Target => {
      const labels = unnamed(all);
      const key = labelsKey(labels);
      return { labels, up: value === 1, seenAt: seenAt.get(key), took: took.get(key) };
    })
    .sort(
      (a, b) =>
        compareText(poolOf(a), poolOf(b)) ||
        compareText(a.labels["instance"] ?? "", b.labels["instance"] ?? ""),
    );
}

function unnamed({ [METRIC_NAME]: _, ...labels }: Labels): Labels {
  return labels;
}

const NEVER = "0001-01-01T00:00:00Z";

function targetShape({ labels, up, seenAt, took }: Target): object {
  const instance = labels["instance"] ?? "";
  return {
    discoveredLabels: {},
    labels,
    scrapePool: labels["job"] ?? "",
    scrapeUrl: instance,
    globalUrl: instance,
    lastError: up ? "" : "not heard from",
    lastScrape: seenAt === undefined ? NEVER : new Date(Math.round(seenAt * 1_000)).toISOString(),
    lastScrapeDuration: took ?? 0,
    health: up ? "up" : "down",
    scrapeInterval: "15s",
    scrapeTimeout: "10s",
  };
}
