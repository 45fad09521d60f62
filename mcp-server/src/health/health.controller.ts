/** Liveness, readiness and what this server counts. */
import { Controller, Get, Inject, Req, Res } from "@nestjs/common";
import { type HttpReply, type HttpRequest, sendJson } from "../edge/http-types.js";
import { HEALTH } from "../tokens.js";
import type { HealthReport } from "./health-report.js";

@Controller()
export class HealthController {
  readonly #report: HealthReport;

  constructor(@Inject(HEALTH) report: HealthReport) {
    this.#report = report;
  }

  @Get("health")
  health(@Req() _request: HttpRequest, @Res() reply: HttpReply): void {
    sendJson(reply, 200, this.#report.brief());
  }

  @Get("health/live")
  live(@Req() _request: HttpRequest, @Res() reply: HttpReply): void {
    const { status, body } = this.#report.live();
    sendJson(reply, status, body);
  }

  @Get("health/ready")
  ready(@Req() _request: HttpRequest, @Res() reply: HttpReply): void {
    const { status, body } = this.#report.ready();
    sendJson(reply, status, body);
  }

  @Get("health/detailed")
  detailed(@Req() _request: HttpRequest, @Res() reply: HttpReply): void {
    const { status, body } = this.#report.detailed();
    sendJson(reply, status, body);
  }

  @Get("metrics")
  async metrics(@Req() _request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const { text, contentType } = await this.#report.metrics();
    reply.code(200).header("content-type", contentType).header("cache-control", "no-store").send(text);
  }
}
