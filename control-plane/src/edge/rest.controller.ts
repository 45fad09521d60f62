/**
 * REST: every annotated operator method, routed from the contracts, in ProtoJSON; and the document that describes it.
 */
import { isMessage, type JsonObject, toJson } from "@bufbuild/protobuf";
import { isReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { HttpBodySchema } from "@mainstay/proto/gen/google/api/httpbody_pb";
import { All, Controller, Get, Inject, Req, Res } from "@nestjs/common";
import { OpsError } from "../kernel/errors.js";
import type { HttpDoor } from "./http-door.js";
import { refuseForeignPage } from "./http-endpoint.js";
import { type HttpReply, type HttpRequest, pathOf, sendJson, signalOf } from "./http-types.js";
import type { OperatorApi } from "./operator-api.js";
import { type HttpRule, httpRules, matchRule } from "./rest/http-rule.js";
import { type Query, readRequest } from "./rest/read-request.js";
import { HTTP_DOOR, OPEN_API, OPERATOR_API } from "./tokens.js";

/** Another site's page cannot send JSON without asking first, either. */
function refuseForeignPages({ headers }: HttpRequest): void {
  refuseForeignPage(headers);
  const type = headers["content-type"];
  if (type !== undefined && !/^application\/json\s*(?:;|$)/i.test(type)) {
    throw new OpsError("INVALID_ARGUMENT", `the body is ${type.slice(0, 100)}, expected application/json`);
  }
}

/** A drawing holds what hosts said: a browser that shows it by itself runs and loads nothing for it. */
const RAW_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

function sendRaw(reply: HttpReply, body: unknown): void {
  const message = isReflectMessage(body) ? body.message : body;
  if (!isMessage(message, HttpBodySchema)) throw new OpsError("INTERNAL", "the answer has no body");
  reply
    .code(200)
    .header("content-type", message.contentType)
    .header("content-security-policy", RAW_POLICY)
    .send(message.data);
}

@Controller()
export class RestController {
  readonly #rules: readonly HttpRule[];

  constructor(
    @Inject(HTTP_DOOR) private readonly door: HttpDoor,
    @Inject(OPERATOR_API) private readonly api: OperatorApi,
    @Inject(OPEN_API) private readonly document: JsonObject,
  ) {
    this.#rules = httpRules(api.services.map(({ service }) => service));
  }

  @Get("openapi.json")
  openApi(@Req() request: HttpRequest, @Res() reply: HttpReply): void {
    this.door.callerOf(request);
    sendJson(reply, 200, this.document);
  }

  @All("api/mainstay/*")
  async call(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const caller = this.door.callerOf(request);
    const path = pathOf(request);
    // HEAD is GET without the body, which the adapter leaves out.
    const verb = request.method === "HEAD" ? "GET" : request.method;
    const match = matchRule(this.#rules, verb, path);
    if (match.kind === "not-found") {
      throw new OpsError("NOT_FOUND", `nothing is at ${path.slice(0, 200)}; /openapi.json lists what is`);
    }
    if (match.kind === "wrong-verb") {
      const allowed = match.allowed.join(", ");
      reply.header("allow", allowed);
      const message = `${request.method} is not offered at ${path.slice(0, 200)}, expected ${allowed}`;
      sendJson(reply, 405, { code: "UNIMPLEMENTED", message, details: {} });
      return;
    }
    this.door.countAs(request, match.rule.template);
    if (verb !== "GET") refuseForeignPages(request);
    const message = readRequest(match.rule, match.fields, request.query as Query, request.body);
    const traceparent = request.headers["traceparent"];
    const answer = await this.api.call(match.rule.method, message, {
      caller,
      traceparent: typeof traceparent === "string" ? traceparent : undefined,
      signal: signalOf(reply),
    });
    const { rawField } = match.rule;
    if (rawField !== undefined)
      return sendRaw(reply, reflect(match.rule.method.output, answer).get(rawField));
    sendJson(reply, 200, toJson(match.rule.method.output, answer, { alwaysEmitImplicit: true }));
  }
}
