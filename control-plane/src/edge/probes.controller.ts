/**
 * What probes and scrapers ask. `/health`, `/health/live` and `/health/failover` are answered to everyone and tell nothing of the inside;
 * the rest needs a token.
 */
import { Controller, Get, Inject, Req, Res } from "@nestjs/common";
import type { Metrics } from "../platform/metrics.js";
import type { Clock } from "../platform/system.js";
import type { FailoverCheck } from "./health/check-failover.js";
import type { HealthChecks } from "./health/check-health.js";
import type { EventLoopLag } from "./health/event-loop.js";
import type { ReadinessWatch } from "./health/watch-readiness.js";
import type { HttpDoor } from "./http-door.js";
import { type HttpReply, type HttpRequest, sendJson } from "./http-types.js";
import { HTTP_DOOR, PROBES } from "./tokens.js";

/** The operator method whose permit the inner probes need. */
const OVERVIEW = "mainstay.operator.v1.HealthService/GetOverview";

export interface Probes {
  readonly version: string;
  readonly clock: Clock;
  /** Monotonic. */
  readonly startedAt: number;
  readonly eventLoop: EventLoopLag;
  readonly readiness: ReadinessWatch;
  readonly checks: HealthChecks;
  readonly failover: FailoverCheck;
  readonly metrics: Metrics;
}

@Controller()
export class ProbesController {
  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(PROBES) private readonly probes: Probes,
  ) {}

  @Get("health")
  health(@Res() reply: HttpReply): void {
    const { clock, startedAt, version } = this.probes;
    sendJson(reply, 200, {
      status: "ok",
      timestamp: new Date(clock.now()).toISOString(),
      version,
      uptime: Math.round(clock.monotonic() - startedAt) / 1_000,
    });
  }

  @Get("health/live")
  live(@Res() reply: HttpReply): void {
    const live = this.probes.eventLoop.read().kind === "live";
    sendJson(reply, live ? 200 : 503, { status: live ? "live" : "hung" });
  }

  /** For whoever sends traffic here or elsewhere: they carry no token. */
  @Get("health/failover")
  async failover(@Res() reply: HttpReply): Promise<void> {
    const { kind } = await this.probes.failover.read();
    sendJson(reply, kind === "serves" ? 200 : 503, { status: kind });
  }

  @Get("health/ready")
  ready(@Req() request: HttpRequest, @Res() reply: HttpReply): void {
    this.door.admit(request, OVERVIEW);
    const { ready, degraded } = this.probes.readiness.read();
    sendJson(reply, ready ? 200 : 503, { status: ready ? "ready" : "not-ready", degraded });
  }

  @Get("health/detailed")
  async detailed(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    this.door.admit(request, OVERVIEW);
    const health = await this.probes.checks.read();
    sendJson(reply, health.status === "unhealthy" ? 503 : 200, {
      status: health.status,
      timestamp: new Date(health.at).toISOString(),
      because: health.because,
      version: this.probes.version,
      components: Object.fromEntries(health.components.map(({ name, ...component }) => [name, component])),
    });
  }

  @Get("metrics")
  async metrics(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    this.door.admit(request, OVERVIEW);
    const { contentType, body } = await this.probes.metrics.text();
    reply.code(200).header("content-type", contentType).send(body);
  }
}
