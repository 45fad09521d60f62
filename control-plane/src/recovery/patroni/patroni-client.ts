/** Patroni's REST API on the members of one cluster: looked at all together, asked one after another. */
import { readFile } from "node:fs/promises";
import { cleanText } from "../../kernel/clean-text.js";
import { messageOf, OpsError } from "../../kernel/errors.js";
import { type Duration, MINUTE, SECOND } from "../../kernel/time.js";
import type { Guard } from "../../platform/breakers.js";
import { type HttpAnswer, type HttpRequest, sendHttp } from "../../platform/http-request.js";
import { type PatroniCredentials, whyNotShown } from "../domain/patroni/patroni-credentials.js";
import type { PatroniHeard } from "../domain/patroni/patroni-seen.js";

const LOOK_WITHIN: Duration = 3 * SECOND;
/** Patroni itself waits for twenty polls, or two of its loops. */
const MOVE_WITHIN: Duration = MINUTE;
const SAYS_MAX = 300;

export interface PatroniClientPorts {
  /** Leaves a member alone that does not answer. */
  readonly guard: Guard;
  /** Read for each call, so that a changed file counts at once. */
  readonly credentials: () => PatroniCredentials | undefined;
}

/** What is asked besides how each member is. */
export interface LookWish {
  readonly history: boolean;
  readonly config: boolean;
}

/** Status 0: no answer, and whether it arrived is not known. */
export interface PatroniAnswer {
  readonly status: number;
  readonly says: string;
}

export class PatroniClient {
  readonly #endpoints: readonly string[];
  readonly #ports: PatroniClientPorts;

  constructor(endpoints: readonly string[], ports: PatroniClientPorts) {
    this.#endpoints = endpoints;
    this.#ports = ports;
  }

  /** Never throws: who does not answer is named in what was heard. */
  async look({ history, config }: LookWish, signal: AbortSignal): Promise<PatroniHeard> {
    const own = await Promise.all(
      this.#endpoints.map(async (endpoint) => {
        return { endpoint, ...(await this.#get(endpoint, "/patroni", signal)) };
      }),
    );
    const answering = own.filter(({ silent }) => silent === "").map(({ endpoint }) => endpoint);
    const first = async (path: string): Promise<unknown> => {
      for (const endpoint of answering) {
        const { body, silent } = await this.#get(endpoint, path, signal);
        if (silent === "") return body;
      }
      return undefined;
    };
    const [view, lines, settings] = await Promise.all([
      first("/cluster"),
      history ? first("/history") : undefined,
      config ? first("/config") : undefined,
    ]);
    return { own, cluster: view, history: lines, config: settings };
  }

  /** Asks for a change of the owner, at the first member that can be reached. Never throws. */
  move(
    path: "/switchover" | "/failover",
    body: { readonly leader?: string; readonly candidate: string },
    signal: AbortSignal,
  ): Promise<PatroniAnswer> {
    return this.#ask("POST", path, body, MOVE_WITHIN, signal);
  }

  /** Puts Patroni into maintenance mode, or takes it out of it; done again it changes nothing. */
  pause(pause: boolean, signal: AbortSignal): Promise<PatroniAnswer> {
    return this.#ask("PATCH", "/config", { pause: pause ? true : null }, 5 * SECOND, signal);
  }

  async #ask(
    method: "POST" | "PATCH",
    path: string,
    body: unknown,
    timeout: Duration,
    signal: AbortSignal,
  ): Promise<PatroniAnswer> {
    let says = "there is no endpoint";
    for (const endpoint of this.#endpoints) {
      try {
        const request = await this.#request(endpoint, path, { method, body: JSON.stringify(body), timeout });
        const answer = await this.#ports.guard(endpoint, () => sendHttp(request, signal));
        return { status: answer.status, says: cleanText(answer.body, SAYS_MAX).trim() };
      } catch (error) {
        says = cleanText(`${endpoint}: ${messageOf(error)}`, SAYS_MAX);
        if (signal.aborted) break;
      }
    }
    return { status: 0, says };
  }

  /** `silent` says why there is no body; empty when there is one. */
  async #get(
    endpoint: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly body: unknown; readonly silent: string; readonly unasked: boolean }> {
    try {
      const request = await this.#request(endpoint, path, { method: "GET", body: "", timeout: LOOK_WITHIN });
      const answer: HttpAnswer = await this.#ports.guard(endpoint, () => sendHttp(request, signal));
      if (answer.status !== 200) {
        return { body: undefined, silent: `${endpoint}: status ${answer.status}`, unasked: false };
      }
      return { body: JSON.parse(answer.body) as unknown, silent: "", unasked: false };
    } catch (error) {
      // A breaker that is open says when it is worth asking again.
      const unasked = error instanceof OpsError && "retryAfterMs" in error.facts;
      return {
        body: undefined,
        silent: error instanceof SyntaxError ? `${endpoint}: no JSON` : messageOf(error),
        unasked,
      };
    }
  }

  async #request(
    endpoint: string,
    path: string,
    { method, body, timeout }: Pick<HttpRequest, "method" | "body" | "timeout">,
  ): Promise<HttpRequest> {
    const credentials = this.#ports.credentials() ?? {};
    const { username, caFile, certFile, keyFile } = credentials;
    // Reading asks for no password: it is shown only where something is changed.
    const shown = method !== "GET" && username !== undefined;
    const why = shown ? whyNotShown(credentials, new URL(endpoint)) : undefined;
    if (why !== undefined) throw new OpsError("FAILED_PRECONDITION", why);
    const authorization = shown
      ? {
          authorization: `Basic ${Buffer.from(`${username}:${await passwordOf(credentials)}`).toString("base64")}`,
        }
      : {};
    const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(readText));
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      insecureSkipVerify: false,
    };
    return {
      url: new URL(path, endpoint).href,
      method,
      headers: { ...(body === "" ? {} : { "content-type": "application/json" }), ...authorization },
      body,
      tls,
      followRedirects: false,
      timeout,
    };
  }
}

const passwordOf = async ({ password, passwordFile }: PatroniCredentials): Promise<string> =>
  password ?? (await readText(passwordFile))?.trim() ?? "";

async function readText(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new OpsError("FAILED_PRECONDITION", `${path} cannot be read`, {}, { cause });
  }
}
