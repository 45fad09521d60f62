/**
 * The Prometheus HTTP API, at the root and below /prometheus, so that Grafana, promtool and scripts find it where they look.
 */
import { All, Controller, Get, Inject, Post, Req, Res } from "@nestjs/common";
import { OpsError } from "../kernel/errors.js";
import type { ErrorShape, HttpDoor } from "./http-door.js";
import { type Endpoint, type EndpointTable, json, serveEndpoint } from "./http-endpoint.js";
import type { HttpReply, HttpRequest } from "./http-types.js";
import type { Probes } from "./probes.controller.js";
import { promError } from "./prometheus/shapes.js";
import { answerReload, type Reload } from "./reload.js";
import { HTTP_DOOR, PROBES, PROMETHEUS_API, RELOAD } from "./tokens.js";

const API = /^(?:\/prometheus)?\/api\/v1\//;
const FEDERATE = /^(?:\/prometheus)?\/federate$/;

/** Errors below these paths are told as Prometheus tells them. */
export const PROMETHEUS_ERRORS: ErrorShape = {
  matches: (path) => API.test(path) || FEDERATE.test(path),
  body: (wire) => promError(wire).body,
  status: (wire) => promError(wire).status,
};

/** The two lists of what is offered. */
export interface PrometheusDoor {
  /** Below `/api/v1/`. */
  readonly api: readonly Endpoint[];
  /** `/federate`. */
  readonly federate: Endpoint;
}

const rest: Pick<EndpointTable, "nothingHere" | "wrongVerb"> = {
  // Grafana takes this sentence as "no ruler here".
  nothingHere: () => {
    throw new OpsError("NOT_FOUND", "404 page not found");
  },
  wrongVerb: (method, allowed) =>
    json(
      { status: "error", errorType: "bad_data", error: `${method} is not allowed here, expected ${allowed}` },
      405,
    ),
};

@Controller(["api/v1", "prometheus/api/v1"])
export class PrometheusApiController {
  readonly #table: EndpointTable;

  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(PROMETHEUS_API) { api }: PrometheusDoor,
  ) {
    this.#table = { ...rest, base: API, countedAs: "/api/v1/", endpoints: api };
  }

  @All("*")
  call(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return serveEndpoint(this.door, this.#table, request, reply);
  }
}

@Controller(["federate", "prometheus/federate"])
export class PrometheusFederateController {
  readonly #table: EndpointTable;

  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(PROMETHEUS_API) { federate }: PrometheusDoor,
  ) {
    this.#table = { ...rest, base: /^(?:\/prometheus)?\//, countedAs: "/", endpoints: [federate] };
  }

  @All()
  call(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return serveEndpoint(this.door, this.#table, request, reply);
  }
}

/** What promtool's `check healthy` and `check ready`, and scripts, ask. */
@Controller(["-", "prometheus/-"])
export class PrometheusManagementController {
  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(PROBES) private readonly probes: Probes,
    @Inject(RELOAD) private readonly reload: Reload,
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

  @Post("reload")
  reloadFiles(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return answerReload(this.door, this.reload, request, reply);
  }
}
