/**
 * What every HTTP request passes before its controller, body unread: is it meant for this server, who asks, is there
 * room. Only two probes are answered without a token.
 */
import { type Authenticator, bearerOf } from "../access/authenticate.js";
import { credentialOf, type Principal } from "../access/principal.js";
import {
  challenge,
  metadataOf,
  metadataPaths,
  type ProtectedResource,
} from "../access/protected-resource.js";
import { BASE_SCOPE } from "../access/scopes.js";
import type { CallScope } from "../call-scope.js";
import { isServerFault } from "../errors.js";
import type { Meter } from "../metrics.js";
import { type HttpReply, type HttpRequest, pathOf, sendJson, sendRpcError } from "./http-types.js";
import { type Admitted, judgeHost } from "./judge-host.js";

/** Tell nothing of the inside. */
const ANONYMOUS: ReadonlySet<string> = new Set(["/health", "/health/live"]);
/** What this server tells of itself; known callers may ask while the control plane, which knows them, is away. */
const OWN: ReadonlySet<string> = new Set(["/health/ready", "/health/detailed", "/metrics"]);
const MCP_PATH = "/mcp";
const GRACE_MS = 15 * 60_000;
/** Requests under way at once; a protocol stream counts for as long as it is open. */
const REQUESTS_MAX = 256;

const UNAUTHORIZED = "no good token: send the header `authorization: Bearer TOKEN`";

/** One request's way through the door. */
export interface Passage {
  readonly caller: Caller | undefined;
  /** What it is counted as: first its HTTP method and route, then, when it is read, what it asks. */
  method: string;
  endpoint: string;
  requestBytes: number;
  scope: CallScope | undefined;
}

/** Who a request is made for. */
export interface Caller {
  readonly principal: Principal;
  /** What the control plane is called with: the token that was shown, or what stands for an identity provider's. */
  readonly token: string;
}

export class HttpDoor {
  readonly #authenticator: Authenticator;
  readonly #meter: Meter;
  readonly #admitted: Admitted;
  readonly #guest: Caller | undefined;
  readonly #protectedResource: ProtectedResource | undefined;
  readonly #metadataPaths: readonly string[];
  readonly #passages = new WeakMap<object, Passage>();

  /**
   * @param guest whom everybody is taken for without being asked: for a door behind which nothing is at stake
   * @param protectedResource what clients are told of identity providers; absent when none is trusted
   */
  constructor(
    authenticator: Authenticator,
    meter: Meter,
    admitted: Admitted,
    guest?: Caller,
    protectedResource?: ProtectedResource,
  ) {
    this.#protectedResource = protectedResource;
    this.#metadataPaths = protectedResource === undefined ? [] : metadataPaths(protectedResource.resource);
    this.#guest = guest;
    this.#authenticator = authenticator;
    this.#meter = meter;
    this.#admitted = admitted;
  }

  /** Before anything else. Answers whether the request may go on; if not, the reply has been sent. */
  async enter(request: HttpRequest, reply: HttpReply): Promise<boolean> {
    const path = pathOf(request);
    const passage = { caller: undefined, ...this.#labels(request, path), requestBytes: 0, scope: undefined };
    this.#passages.set(request.raw, passage);
    this.#measure(request, reply);
    const { host, origin, authorization } = request.raw.headers;
    const verdict = judgeHost(host, origin, this.#admitted);
    if (verdict.kind === "refuse") {
      sendRpcError(reply, 403, -32_000, verdict.because);
      return false;
    }
    if (this.#meter.active() > REQUESTS_MAX) {
      reply.header("retry-after", "1");
      sendRpcError(reply, 503, -32_000, `${REQUESTS_MAX} requests are under way: try again in a second`);
      return false;
    }
    if (ANONYMOUS.has(path)) return true;
    if (this.#protectedResource !== undefined && this.#metadataPaths.includes(path)) {
      this.#describe(request, reply, this.#protectedResource);
      return false;
    }
    if (this.#guest !== undefined) {
      this.#passages.set(request.raw, { ...passage, caller: this.#guest });
      return true;
    }
    const token = bearerOf(authorization);
    if (token === undefined) {
      this.#refuse(reply, undefined);
      return false;
    }
    const identity = await this.#authenticator.identify(token, OWN.has(path) ? GRACE_MS : 0);
    if (identity.kind === "unknown") {
      this.#refuse(reply, "invalid_token");
      return false;
    }
    if (identity.kind === "unscoped") {
      reply.header(
        "www-authenticate",
        challenge(this.#protectedResource, "insufficient_scope", [BASE_SCOPE]),
      );
      sendRpcError(reply, 403, -32_000, `the access token lacks the scope ${BASE_SCOPE}`);
      return false;
    }
    if (identity.kind === "denied") {
      sendRpcError(reply, 403, -32_000, identity.because);
      return false;
    }
    if (identity.kind === "unavailable") {
      reply.header("retry-after", "2");
      sendJson(reply, 503, {
        error: "temporarily_unavailable",
        error_description:
          "the token cannot be checked now: the control plane, or the identity provider, does not answer",
      });
      return false;
    }
    const { principal } = identity;
    const caller = { principal, token: credentialOf(principal, token) };
    this.#passages.set(request.raw, { ...passage, caller });
    return true;
  }

  /** The request's passage. Throws when it did not come through the door. */
  passageOf(request: HttpRequest): Passage {
    const passage = this.#passages.get(request.raw);
    if (passage === undefined) throw new Error("a request came in beside the door");
    return passage;
  }

  /** Clients ask here, without a token, where to get one. */
  #describe(request: HttpRequest, reply: HttpReply, protectedResource: ProtectedResource): void {
    if (request.method === "GET" || request.method === "HEAD") {
      sendJson(reply, 200, metadataOf(protectedResource));
      return;
    }
    reply.header("allow", "GET, HEAD");
    sendRpcError(reply, 405, -32_000, "Method Not Allowed");
  }

  #refuse(reply: HttpReply, error: "invalid_token" | undefined): void {
    reply.header("www-authenticate", challenge(this.#protectedResource, error, [BASE_SCOPE]));
    sendJson(reply, 401, { error: error ?? "invalid_request", error_description: UNAUTHORIZED });
  }

  #labels(request: HttpRequest, path: string): { method: string; endpoint: string } {
    const known = path === MCP_PATH || ANONYMOUS.has(path) || OWN.has(path);
    const verbs = ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"];
    return {
      method: verbs.includes(request.method) ? request.method : "other",
      endpoint: known ? path : "other",
    };
  }

  #measure(request: HttpRequest, reply: HttpReply): void {
    const { socket } = request.raw;
    const writtenBefore = socket.bytesWritten;
    const end = this.#meter.begin();
    reply.raw.once("close", () => {
      const { method, endpoint, requestBytes, scope } = this.passageOf(request);
      const http = reply.raw.statusCode;
      end({
        method,
        endpoint,
        status: scope?.failure?.toLowerCase() ?? String(http),
        failed: http >= 500 || (scope?.failure !== undefined && isServerFault(scope.failure)),
        requestBytes,
        responseBytes: Math.max(0, socket.bytesWritten - writtenBefore),
      });
    });
  }
}
