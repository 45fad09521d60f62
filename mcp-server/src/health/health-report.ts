/** What the health endpoints say. */
import type { Meter } from "../metrics.js";
import type { Clock } from "../system.js";
import type { LoopLag } from "./loop-lag.js";
import type { ControlPlaneWatch } from "./readiness.js";

/** A loop held up for longer than this hangs: the process should be replaced. */
const LAG_MAX_MS = 5_000;
/** Slower than this the control plane is there but not well. */
const PROBE_SLOW_MS = 500;

interface Said {
  readonly status: number;
  readonly body: unknown;
}

export class HealthReport {
  readonly #clock: Clock;
  readonly #lag: LoopLag;
  readonly #watch: ControlPlaneWatch;
  readonly #meter: Meter;
  readonly #version: string;
  readonly #startedAt: number;

  constructor(parts: {
    readonly clock: Clock;
    readonly lag: LoopLag;
    readonly watch: ControlPlaneWatch;
    readonly meter: Meter;
    readonly version: string;
  }) {
    this.#clock = parts.clock;
    this.#lag = parts.lag;
    this.#watch = parts.watch;
    this.#meter = parts.meter;
    this.#version = parts.version;
    this.#startedAt = parts.clock.monotonic();
  }

  /** That it runs; `uptime` in seconds. */
  brief() {
    return {
      status: "healthy",
      timestamp: this.#timestamp(),
      version: this.#version,
      uptime: Math.round((this.#clock.monotonic() - this.#startedAt) / 100) / 10,
    };
  }

  /** 503 when the event loop hung. Looks at nothing outside the process. */
  live(): Said {
    const hung = this.#lag.worst() > LAG_MAX_MS;
    return {
      status: hung ? 503 : 200,
      body: { status: hung ? "unhealthy" : "healthy", timestamp: this.#timestamp() },
    };
  }

  /** 503 while the control plane does not answer. Says nothing of the inside. */
  ready(): Said {
    const ready = this.#watch.isReady();
    return {
      status: ready ? 200 : 503,
      body: { status: ready ? "ready" : "unready", timestamp: this.#timestamp() },
    };
  }

  /** Everything, for those with a token: 503 only when unhealthy. */
  detailed(): Said {
    const { readiness, probeMs, probedAt } = this.#watch.watched;
    const lagMs = this.#lag.worst();
    const controlPlane =
      readiness.kind !== "ready"
        ? { status: "unhealthy", because: readiness.kind === "unready" ? readiness.because : "not asked yet" }
        : readiness.failures > 0
          ? { status: "degraded", because: "the last probe was not answered" }
          : (probeMs ?? 0) > PROBE_SLOW_MS
            ? { status: "degraded", because: `the last probe took ${Math.round(probeMs ?? 0)} ms` }
            : { status: "healthy", because: "the last probe was answered" };
    const loop =
      lagMs > LAG_MAX_MS
        ? { status: "unhealthy", because: `held up for ${Math.round(lagMs)} ms` }
        : lagMs > LAG_MAX_MS / 10
          ? { status: "degraded", because: `held up for ${Math.round(lagMs)} ms` }
          : { status: "healthy", because: "not held up" };
    const statuses = [controlPlane.status, loop.status];
    const status = ["unhealthy", "degraded"].find((worst) => statuses.includes(worst)) ?? "healthy";
    return {
      status: status === "unhealthy" ? 503 : 200,
      body: {
        ...this.brief(),
        status,
        components: {
          controlPlane: {
            ...controlPlane,
            probeMs: probeMs === undefined ? null : Math.round(probeMs * 10) / 10,
            probedAt: probedAt === undefined ? null : new Date(probedAt).toISOString(),
          },
          eventLoop: { ...loop, lagMs: Math.round(lagMs) },
        },
        activeRequests: this.#meter.active(),
      },
    };
  }

  metrics() {
    return this.#meter.expose();
  }

  #timestamp(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}
