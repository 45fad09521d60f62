/**
 * Alertmanager's HTTP API, at the root and below /alertmanager, so that amtool, Prometheus and Grafana find it where
 * they look.
 */
import { All, Controller, Get, Inject, Post, Req, Res } from "@nestjs/common";
import { OpsError } from "../kernel/errors.js";
import type { ErrorShape, HttpDoor } from "./http-door.js";
import { type Endpoint, type EndpointTable, json, serveEndpoint } from "./http-endpoint.js";
import type { HttpReply, HttpRequest } from "./http-types.js";
import type { Probes } from "./probes.controller.js";
import { answerReload, type Reload } from "./reload.js";
import { ALERTMANAGER_API, HTTP_DOOR, PROBES, RELOAD } from "./tokens.js";

const BASE = /^(?:\/alertmanager)?\/api\/v2\//;

/** Statuses that Alertmanager's document has; its clients take no others. Those of the gate stay what they are. */
const STATUS: Readonly<Record<number, number>> = {
  405: 405,
  401: 401,
  403: 403,
  404: 404,
  400: 400,
  422: 422,
};

/** Errors below these paths are a sentence, as a JSON string. */
export const ALERTMANAGER_ERRORS: ErrorShape = {
  matches: (path) => BASE.test(path),
  body: (wire) => wire.message,
  status: (wire) => STATUS[wire.httpStatus] ?? (wire.httpStatus < 500 ? 400 : 500),
};

@Controller(["api/v2", "alertmanager/api/v2"])
export class AlertmanagerApiController {
  readonly #table: EndpointTable;

  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(ALERTMANAGER_API) endpoints: readonly Endpoint[],
  ) {
    this.#table = {
      base: BASE,
      countedAs: "/api/v2/",
      endpoints,
      nothingHere: () => {
        throw new OpsError("NOT_FOUND", "404 page not found");
      },
      wrongVerb: (method, allowed) =>
        json({ code: 405, message: `method ${method} is not allowed, but [${allowed}] are` }, 405),
    };
  }

  @All("*")
  call(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return serveEndpoint(this.door, this.#table, request, reply);
  }
}

/** What amtool's and Prometheus' own scripts ask of an Alertmanager. */
@Controller("alertmanager/-")
export class AlertmanagerManagementController {
  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(PROBES) private readonly probes: Probes,
    @Inject(RELOAD) private readonly reload: Reload,
  ) {}

  @Get("healthy")
  healthy(@Req() request: HttpRequest, @Res() reply: HttpReply): void {
    this.door.callerOf(request);
    reply.code(200).send("OK");
  }

  @Get("ready")
  ready(@Req() request: HttpRequest, @Res() reply: HttpReply): void {
    this.door.callerOf(request);
    const { ready } = this.probes.readiness.read();
    reply.code(ready ? 200 : 503).send(ready ? "OK" : "not ready");
  }

  @Post("reload")
  reloadFiles(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return answerReload(this.door, this.reload, request, reply);
  }
}
