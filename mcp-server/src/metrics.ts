/**
 * What this server counts of itself, under the runbook's names. Every label has few values: `endpoint` is a route's
 * template or a tool's name, `method` an HTTP verb or one of the protocol's methods, never a text as it was sent.
 */
import type { BreakerState } from "@mainstay/proto/circuit-breaker";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "./system.js";

const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const BYTES_BUCKETS = [256, 1_024, 8_192, 65_536, 1_048_576];

/** Close codes counted under their own number (RFC 6455, 7.4.1); a client may send any. */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1013,
]);

/** How a request ended. */
export interface Ending {
  readonly method: string;
  readonly endpoint: string;
  /** The HTTP status; of a tool's call that failed, the code in lower case. */
  readonly status: string;
  /** Whether it failed by the house's fault: an unknown node is the caller's. */
  readonly failed: boolean;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface Meter {
  /** Requests under way. */
  active(): number;
  /** A request begins; call the answer once it has ended. */
  begin(): (ending: Ending) => void;
  webSocketOpened(): void;
  /** @param code the WebSocket's close code */
  webSocketClosed(code: number): void;
  /** Prometheus' text format, and its content type. */
  expose(): Promise<{ readonly text: string; readonly contentType: string }>;
}

/**
 * A registry of its own, so that two servers in one process do not count for each other.
 * @param processMetrics also what prom-client knows of the process (CPU, memory, event loop)
 */
export function createMeter(
  clock: Clock,
  readings: {
    readonly ready: () => boolean;
    readonly loopLagMs: () => number;
    /** Of the breaker around the control plane; absent where there is none. */
    readonly breaker?: () => BreakerState;
    /** Of the account of calls; absent where none is kept. */
    readonly journal?: () => { readonly waiting: number; readonly lost: number };
  },
  processMetrics: boolean,
): Meter {
  const registry = new Registry();
  const registers = [registry];
  if (processMetrics) {
    collectDefaultMetrics({ register: registry });
    // Gauges with a counter's name, which `promtool check metrics` refuses; the same is there by type.
    for (const name of ["handles", "requests", "resources"])
      registry.removeSingleMetric(`nodejs_active_${name}_total`);
  }
  const requests = new Counter({
    name: "mcp_server_requests_total",
    help: "Requests answered, each counted once: a call of a tool under its name, anything else under its route.",
    labelNames: ["method", "endpoint", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "mcp_server_request_duration_seconds",
    help: "Time from a request's headers to the end of its answer.",
    labelNames: ["method", "endpoint", "status"],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const errors = new Counter({
    name: "mcp_server_errors_total",
    help: "Requests that failed by the fault of this server or of the control plane.",
    labelNames: ["method", "endpoint"],
    registers,
  });
  const requestSize = new Histogram({
    name: "mcp_request_size_bytes",
    help: "Bytes of request bodies.",
    buckets: BYTES_BUCKETS,
    registers,
  });
  const responseSize = new Histogram({
    name: "mcp_response_size_bytes",
    help: "Bytes of responses as written to the connection, headers included.",
    buckets: BYTES_BUCKETS,
    registers,
  });
  const underWay = new Gauge({
    name: "mcp_active_requests",
    help: "Requests under way, the one that asks among them.",
    registers,
  });
  const webSockets = new Gauge({
    name: "mcp_websocket_connections_active",
    help: "Open WebSocket connections.",
    registers,
  });
  const webSocketCloses = new Counter({
    name: "mcp_websocket_closes_total",
    help: "WebSocket connections that ended, by close code: 1006 without a farewell, 1008 for a token that was no longer good, 1013 for reading too slowly.",
    labelNames: ["code"],
    registers,
  });
  new Gauge({
    name: "mcp_control_plane_reachable",
    help: "1 when the control plane answers, as /health/ready judges it.",
    registers,
    collect() {
      this.set(readings.ready() ? 1 : 0);
    },
  });
  const { breaker } = readings;
  if (breaker !== undefined)
    new Gauge({
      name: "mcp_control_plane_breaker_state",
      help: "Whether the control plane is called: 0 closed (it is), 1 half-open (one call at a time), 2 open (it is not).",
      registers,
      collect() {
        this.set({ closed: 0, "half-open": 1, open: 2 }[breaker().kind]);
      },
    });
  if (readings.journal !== undefined) {
    const { journal } = readings;
    new Gauge({
      name: "mcp_journal_calls_waiting",
      help: "Answers that are not written in the journal yet.",
      registers,
      collect() {
        this.set(journal().waiting);
      },
    });
    new Gauge({
      name: "mcp_journal_calls_lost",
      help: "Answers since the start that could not be written in the journal.",
      registers,
      collect() {
        this.set(journal().lost);
      },
    });
  }
  new Gauge({
    name: "mcp_event_loop_lag_seconds",
    help: "The longest the event loop was held up within the last 10 seconds.",
    registers,
    collect() {
      this.set(readings.loopLagMs() / 1_000);
    },
  });
  let active = 0;
  return {
    active: () => active,
    begin() {
      active += 1;
      underWay.set(active);
      const started = clock.monotonic();
      let ended = false;
      return ({ method, endpoint, status, failed, requestBytes, responseBytes }) => {
        if (ended) return;
        ended = true;
        active -= 1;
        underWay.set(active);
        requests.inc({ method, endpoint, status });
        seconds.observe({ method, endpoint, status }, (clock.monotonic() - started) / 1_000);
        if (failed) errors.inc({ method, endpoint });
        requestSize.observe(requestBytes);
        responseSize.observe(responseBytes);
      };
    },
    webSocketOpened: () => webSockets.inc(),
    webSocketClosed(code) {
      webSockets.dec();
      webSocketCloses.inc({ code: CLOSE_CODES.has(code) ? String(code) : "other" });
    },
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
  };
}
