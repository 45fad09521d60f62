/** MetricsService: proto message ↔ queries over series. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { MetricsService, SeriesResultSchema } from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { isLabelName, METRIC_NAME } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Clock } from "../platform/system.js";
import type { Annotated, SeriesPoints } from "../promql/value.js";
import type { TimeSeriesDoor } from "./door.js";

const LABEL_VALUES_MAX = 10_000;
/** Points of one answer: as messages they take a hundred bytes each. */
const POINTS_MAX = 500_000;

export interface MetricsApiDeps {
  readonly clock: Clock;
  readonly series: Pick<TimeSeriesDoor, "query" | "queryRange" | "labelValues">;
}

export function metricsApi({
  clock,
  series,
}: MetricsApiDeps): ServiceImplementation<typeof MetricsService, CallContext> {
  return {
    async query(request, context) {
      const at = instantOf(request.at) ?? clock.now();
      const value = await series.query(request.expr, at, { signal: context.signal });
      const warnings = notesOf(value);
      switch (value.kind) {
        case "scalar":
          return { kind: value.kind, series: [{ points: [point(value.timestamp, value.value)] }], warnings };
        case "string":
          return { kind: value.kind, text: value.value, warnings };
        case "vector": {
          const found = value.samples.map((sample) => ({
            labels: { ...sample.labels },
            points: [point(sample.timestamp, sample.value)],
          }));
          return { kind: value.kind, series: found, warnings };
        }
        case "matrix":
          return { kind: value.kind, series: matrixOf(value.series), warnings };
      }
    },

    async queryRange(request, context) {
      const to = instantOf(request.to) ?? clock.now();
      const from = instantOf(request.from);
      if (from === undefined)
        throw new OpsError("INVALID_ARGUMENT", "from: missing; expected a time before `to`");
      const value = await series.queryRange(request.expr, from, to, Number(request.stepMs), {
        signal: context.signal,
      });
      return { series: matrixOf(value.series), warnings: notesOf(value) };
    },

    async listLabelValues(request) {
      const { label, prefix } = request;
      if (label !== METRIC_NAME && !isLabelName(label)) {
        throw new OpsError(
          "INVALID_ARGUMENT",
          `label: ${JSON.stringify(cleanText(label, 64))} is no label's name`,
        );
      }
      const filter = { selectors: [], from: 0, to: Number.MAX_SAFE_INTEGER, limit: LABEL_VALUES_MAX };
      const { items, truncated } = await series.labelValues(label, filter, prefix);
      return { values: [...items], truncated };
    },
  };
}

function instantOf(timestamp: Timestamp | undefined): Instant | undefined {
  return timestamp === undefined ? undefined : timestampMs(timestamp);
}

function point(timestamp: Instant, value: number): { timestampMs: bigint; value: number } {
  return { timestampMs: BigInt(Math.round(timestamp)), value };
}

function seriesOf({ labels, timestamps, values }: SeriesPoints): MessageInitShape<typeof SeriesResultSchema> {
  return {
    labels: { ...labels },
    points: Array.from(timestamps, (timestamp, index) => point(timestamp, values[index] as number)),
  };
}

function matrixOf(series: readonly SeriesPoints[]): MessageInitShape<typeof SeriesResultSchema>[] {
  const points = series.reduce((sum, { values }) => sum + values.length, 0);
  if (points > POINTS_MAX) {
    throw new OpsError(
      "RESOURCE_EXHAUSTED",
      `the answer has ${points} points, more than ${POINTS_MAX}: aggregate, or ask for a shorter time or a longer step`,
      { points, pointsMax: POINTS_MAX },
    );
  }
  return series.map(seriesOf);
}

function notesOf(value: Annotated): string[] {
  return [...value.warnings, ...value.infos];
}
