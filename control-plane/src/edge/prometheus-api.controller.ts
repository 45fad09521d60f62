/**
 * The Prometheus HTTP API, at the root and below /prometheus, so that Grafana, promtool and scripts find it where they look.
 */
import { All, Controller, Get, Inject, Req, Res } from "@nestjs/common";
import { OpsError } from "../kernel/errors.js";
import type { ErrorShape, HttpDoor } from "./http-door.js";
import { type HttpReply, type HttpRequest, pathOf, sendJson, signalOf } from "./http-types.js";
import type { Probes } from "./probes.controller.js";
import type { Fields } from "./prometheus/parameters.js";
import type { Endpoint } from "./prometheus/prometheus-api.js";
import { promError } from "./prometheus/shapes.js";
import { HTTP_DOOR, PROBES, PROMETHEUS_API } from "./tokens.js";

const BASE = /^(?:\/prometheus)?\/api\/v1\//;

/** Errors below these paths are told as Prometheus tells them. */
export const PROMETHEUS_ERRORS: ErrorShape = {
  matches: (path) => BASE.test(path),
  body: (wire) => promError(wire).body,
  status: (wire) => promError(wire).status,
};

@Controller(["api/v1", "prometheus/api/v1"])
export class PrometheusApiController {
  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(PROMETHEUS_API) private readonly endpoints: readonly Endpoint[],
  ) {}

  @All("*")
  async call(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const found = this.#find(pathOf(request).replace(BASE, ""));
    // Grafana takes this sentence as "no ruler here".
    if (found === undefined) throw new OpsError("NOT_FOUND", "404 page not found");
    const { endpoint, segment } = found;
    this.door.countAs(request, `/api/v1/${endpoint.path}`);
    this.door.admit(request, endpoint.needs);
    const verb = request.method === "HEAD" ? "GET" : request.method;
    if (!endpoint.verbs.some((offered) => offered === verb)) {
      const allowed = endpoint.verbs.join(", ");
      reply.header("allow", allowed);
      sendJson(reply, 405, {
        status: "error",
        errorType: "bad_data",
        error: `${request.method} is not allowed here, expected ${allowed}`,
      });
      return;
    }
    const fields: Fields = { ...fieldsOf(request.query), ...fieldsOf(request.body) };
    const answer = await endpoint.answer(fields, segment, signalOf(reply));
    sendJson(reply, 200, { status: "success", ...answer });
  }

  #find(path: string): { endpoint: Endpoint; segment: string } | undefined {
    for (const endpoint of this.endpoints) {
      if (endpoint.path === path) return { endpoint, segment: "" };
      const [before, after] = endpoint.path.split("*");
      if (before === undefined || after === undefined) continue;
      if (!path.startsWith(before) || !path.endsWith(after)) continue;
      const segment = path.slice(before.length, -after.length);
      if (segment !== "" && !segment.includes("/")) return { endpoint, segment };
    }
    return undefined;
  }
}

/** What promtool's `check healthy` and `check ready` ask. */
@Controller(["-", "prometheus/-"])
export class PrometheusManagementController {
  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(PROBES) private readonly probes: Probes,
  ) {}

  @Get("healthy")
  healthy(@Req() request: HttpRequest, @Res() reply: HttpReply): void {
    this.door.callerOf(request);
    reply.code(200).send("Prometheus Server is Healthy.\n");
  }

  @Get("ready")
  ready(@Req() request: HttpRequest, @Res() reply: HttpReply): void {
    this.door.callerOf(request);
    const { ready } = this.probes.readiness.read();
    reply.code(ready ? 200 : 503).send(ready ? "Prometheus Server is Ready.\n" : "Service Unavailable\n");
  }
}

function fieldsOf(source: unknown): Fields {
  return typeof source === "object" && source !== null ? { ...source } : {};
}
