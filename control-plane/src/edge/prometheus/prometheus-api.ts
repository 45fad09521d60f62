/**
 * The Prometheus HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/) over this house's series and
 * rules: what Grafana, promtool, other Prometheus servers and operators' scripts ask.
 */
import type { TimeSeriesDoor } from "../../timeseries/timeseries.module.js";
import type { PrometheusDoor } from "../prometheus-api.controller.js";
import type { AlertingReads } from "./alerting-reads.js";
import { GET, QUERY, WRITE } from "./envelope.js";
import { federate } from "./federate.js";
import { MetricNotes } from "./metric-notes.js";
import { queryEndpoints } from "./queries.js";
import { remoteRead } from "./remote-read/remote-read.js";
import { remoteWrite } from "./remote-write/remote-write.js";
import { ruleEndpoints } from "./rules.js";
import { seriesListEndpoints } from "./series-lists.js";
import { type StatusDeps, statusEndpoints } from "./status.js";
import { targetEndpoints } from "./targets.js";

export interface PrometheusDeps extends Omit<StatusDeps, "series"> {
  readonly series: Pick<
    TimeSeriesDoor,
    "query" | "queryRange" | "labelNames" | "labelValues" | "series" | "figures" | "openWriter"
  >;
  readonly alerting: AlertingReads;
}

export function prometheusDoor(deps: PrometheusDeps): PrometheusDoor {
  const notes = new MetricNotes();
  const write = remoteWrite({ openWriter: (replay) => deps.series.openWriter(replay), notes });
  return {
    api: [
      ...queryEndpoints(deps),
      ...seriesListEndpoints({ ...deps, notes }),
      ...ruleEndpoints(deps.alerting),
      ...targetEndpoints(deps),
      ...statusEndpoints(deps),
      { path: "write", verbs: ["POST"], needs: WRITE, answer: write },
      { path: "read", verbs: ["POST"], needs: QUERY, answer: remoteRead(deps) },
    ],
    federate: { path: "federate", verbs: GET, needs: QUERY, answer: (asked) => federate(deps, asked) },
  };
}
