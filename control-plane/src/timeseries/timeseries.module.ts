/** The room's door: what others may import. */
export type {
  AnnouncedSeries,
  DurableListener,
  Evaluation,
  Figures,
  FrameAnswer,
  FrameSession,
  KeyedExpression,
  Listed,
  OpenedSession,
  OwnSample,
  QueryOptions,
  SeriesFilter,
  SessionNode,
  TimeSeriesDoor,
  TimeSeriesHealth,
} from "./door.js";
export { createTimeSeries, TimeSeries, type TimeSeriesDeps } from "./embedded.js";
export { type MetricsApiDeps, metricsApi } from "./metrics.api.js";
