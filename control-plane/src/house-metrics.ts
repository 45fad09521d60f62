/** The house's own figures for Prometheus, beside those that doors and ground keep themselves. */
import type { Admission } from "./edge/agent-link/admission.js";
import type { EventLoopLag } from "./edge/health/event-loop.js";
import type { Ground } from "./ground.js";
import { SECOND } from "./kernel/time.js";
import { Loop } from "./platform/loop.js";
import type { Metrics } from "./platform/metrics.js";
import type { Rooms } from "./rooms.js";
import type { Figures } from "./timeseries/timeseries.module.js";

/** The engine's figures come from its own thread; they are fetched on a beat and not while a scrape waits. */
const FIGURES_EVERY = 5 * SECOND;

export function houseMetrics(ground: Ground, rooms: Rooms, eventLoop: EventLoopLag): void {
  const { metrics, lifecycle, system, logger } = ground;
  const value = (read: () => number | undefined) => () => {
    const reading = read();
    return reading === undefined ? [] : [{ value: reading }];
  };
  const gauge = (name: string, help: string, read: () => number | undefined): void =>
    metrics.reading(name, help, [], value(read));
  const counter = (name: string, help: string, read: () => number | undefined): void =>
    metrics.total(name, help, [], value(read));

  const streams = () => rooms.fleet.sessions.figures();
  gauge("mainstay_agent_streams", "Agents' streams open on this replica.", () => streams().streams);
  counter("mainstay_agent_streams_opened_total", "Agents' streams opened.", () => streams().opened);
  counter(
    "mainstay_agent_streams_slow_total",
    "Agents' streams ended because they read too slowly.",
    () => streams().slow,
  );
  gauge("mainstay_agent_queued_bytes", "Bytes that wait for agents to read.", () => streams().queuedBytes);
  // The runbook's dashboards ask for it; nothing here speaks WebSocket.
  gauge("mcp_websocket_connections_active", "WebSocket connections; none are offered.", () => 0);
  gauge(
    "mainstay_event_loop_lag_seconds",
    "The worst lag of the event loop in the last 10 s.",
    () => eventLoop.read().worstLag / SECOND,
  );

  const now = (): number => system.clock.now();
  metrics.reading(
    "mainstay_loop_last_success_age_seconds",
    "Time since each loop last succeeded; absent until it did.",
    ["loop"],
    () =>
      rooms
        .loops()
        .flatMap(({ name, lastSucceededAt }) =>
          lastSucceededAt === undefined
            ? []
            : [{ labels: { loop: name }, value: (now() - lastSucceededAt) / SECOND }],
        ),
  );

  const channels = () =>
    rooms.notification.status().channels.map(({ receiver, integration, up, queued }) => ({
      labels: { receiver, integration },
      up,
      queued,
    }));
  metrics.reading(
    "mainstay_notification_channel_up",
    "1 while a channel takes notices; known on the replica that sends.",
    ["receiver", "integration"],
    () => channels().map(({ labels, up }) => ({ labels, value: up ? 1 : 0 })),
  );
  metrics.reading(
    "mainstay_notices_queued",
    "Notices that wait for a channel.",
    ["receiver", "integration"],
    () => channels().map(({ labels, queued }) => ({ labels, value: queued })),
  );

  const groups =
    (read: (of: ReturnType<typeof rooms.evaluator.figures>[number]) => number | undefined) => () =>
      rooms.evaluator.figures().flatMap((of) => {
        const reading = read(of);
        return reading === undefined ? [] : [{ labels: { rule_group: of.group.name }, value: reading }];
      });
  metrics.total(
    "mainstay_rule_group_iterations_total",
    "Times each group of rules was judged here.",
    ["rule_group"],
    groups(({ iterations }) => iterations),
  );
  metrics.total(
    "mainstay_rule_group_iterations_missed_total",
    "Times a group of rules should have been judged here and was not: it took too long, or the host stood still.",
    ["rule_group"],
    groups(({ missed }) => missed),
  );
  metrics.reading(
    "mainstay_rule_group_last_duration_seconds",
    "How long a group of rules took when it was last judged here.",
    ["rule_group"],
    groups(({ lastSeconds, lastAt }) => (lastAt === undefined ? undefined : lastSeconds)),
  );

  let figures: Figures | undefined;
  const loop = new Loop({
    name: "figures",
    interval: FIGURES_EVERY,
    clock: system.clock,
    logger,
    run: async () => {
      figures = await rooms.allSeries.figures();
    },
  });
  lifecycle.startLoop(loop);
  metrics.total(
    "mainstay_samples_total",
    "Samples that came in, by what became of them: kept, or the reason of the refusal.",
    ["verdict"],
    () =>
      Object.entries(figures?.samples ?? {}).map(([verdict, count]) => ({
        labels: { verdict },
        value: count,
      })),
  );
  counter("mainstay_frames_total", "Frames taken from agents.", () => figures?.framesTaken);
  gauge("mainstay_active_series", "Series in the hot window.", () => figures?.activeSeries);
  gauge("mainstay_sample_bytes", "Bytes of sample columns in memory.", () => figures?.sampleBytes);
  gauge("mainstay_in_flight_bytes", "Bytes on their way into the engine.", () => figures?.inFlightBytes);
  const remote = () => (figures?.evaluator.kind === "remote" ? figures.evaluator : undefined);
  counter(
    "mainstay_remote_write_samples_total",
    "Samples that another engine took, with --timeseries remote.",
    () => remote()?.samplesTaken,
  );
  counter(
    "mainstay_remote_write_refused_total",
    "Samples that another engine said it will never take.",
    () => remote()?.samplesRefused,
  );
  gauge(
    "mainstay_remote_write_waiting",
    "Samples that wait to be written to another engine.",
    () => remote()?.samplesWaiting,
  );
  gauge("mainstay_replica_leads", "1 while this replica leads.", () => (rooms.leadership.leads ? 1 : 0));
  gauge("mainstay_samples_not_durable", "Samples not yet in PostgreSQL.", () => figures?.samplesNotDurable);
  counter("mainstay_chunks_written_total", "Chunks written to PostgreSQL.", () => figures?.chunksWritten);
  counter(
    "mainstay_chunk_write_failures_total",
    "Chunk writes that failed.",
    () => figures?.chunkWriteFailures,
  );
  counter("mainstay_engine_restarts_total", "Restarts of the time series engine.", () => figures?.restarts);
  counter("mainstay_queries_total", "PromQL queries.", () => figures?.queries);
  counter("mainstay_queries_failed_total", "PromQL queries that failed.", () => figures?.queriesFailed);
}

/** How agents come in. */
export function admissionMetrics(metrics: Metrics, admission: Admission): void {
  metrics.reading(
    "mainstay_agent_connections_waiting",
    "Agents' connections that stand in line for their handshake.",
    [],
    () => [{ value: admission.figures.waiting }],
  );
  metrics.total(
    "mainstay_agent_connections_total",
    "Agents' connections, by what came of them.",
    ["outcome"],
    () => {
      const { admitted, refused, left } = admission.figures;
      return Object.entries({ admitted, refused, left }).map(([outcome, value]) => ({
        labels: { outcome },
        value,
      }));
    },
  );
}
