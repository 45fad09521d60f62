/** The room's door: what others may import. */
export type {
  AnnouncedSeries,
  DurableListener,
  Evaluation,
  EvaluatorFigures,
  Figures,
  FrameAnswer,
  FrameSession,
  KeptEntry,
  KeyedExpression,
  Listed,
  OpenedSession,
  OwnSample,
  QueryOptions,
  ReplayKept,
  SeriesFilter,
  SeriesWriter,
  SessionNode,
  TimeSeriesDoor,
  TimeSeriesHealth,
  WriteOutcome,
  WrittenSamples,
} from "./door.js";
export { createTimeSeries, TimeSeries, type TimeSeriesDeps } from "./embedded.js";
export { type LeaderPlace, LeaderSeries, type LeaderSeriesOptions } from "./leader-series.js";
export { type MetricsApiDeps, metricsApi } from "./metrics.api.js";
export { openRemote, REMOTE_CHUNK_AFTER, type RemoteTimeSeries } from "./remote.js";
export { RETENTION_DEFAULT } from "./retention.loop.js";
