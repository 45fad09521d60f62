/**
 * How many requests came through a door, how long they took and how they ended, under the runbook's metric names.
 * The label `endpoint` is a route's template or a method's name, never a path as it was asked, so its values are few.
 */
import type { Metrics } from "../platform/metrics.js";
import type { Clock } from "../platform/system.js";

const SECONDS_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** How a request ended. */
export interface Ending {
  /** GET, POST ... or GRPC. */
  readonly method: string;
  readonly endpoint: string;
  /** The HTTP status, or gRPC's by name. */
  readonly status: string;
  /** Whether it failed by the server's fault. */
  readonly failed: boolean;
}

export interface RequestMeter {
  /** Requests under way. */
  readonly active: number;
  /** A request begins; the answer is called once, when it has ended. */
  begin(): (ending: Ending) => void;
}

export function createRequestMeter(metrics: Metrics, clock: Clock): RequestMeter {
  const labels = ["method", "endpoint", "status"];
  const requests = metrics.counter(
    "mcp_server_requests_total",
    "Requests answered, by door, route and outcome.",
    labels,
  );
  const errors = metrics.counter(
    "mcp_server_errors_total",
    "Requests that failed by the server's fault.",
    labels,
  );
  const seconds = metrics.histogram(
    "mcp_server_request_duration_seconds",
    "Time from a request's headers to the end of its answer.",
    labels,
    SECONDS_BUCKETS,
  );
  let active = 0;
  metrics.reading("mcp_active_requests", "Requests under way, streams among them.", [], () => [
    { value: active },
  ]);
  return {
    get active() {
      return active;
    },
    begin() {
      active += 1;
      const started = clock.monotonic();
      let ended = false;
      return ({ method, endpoint, status, failed }) => {
        if (ended) return;
        ended = true;
        active -= 1;
        const values = { method, endpoint, status };
        requests.add(values);
        if (failed) errors.add(values);
        seconds.observe((clock.monotonic() - started) / 1_000, values);
      };
    },
  };
}
