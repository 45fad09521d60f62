/** Synthetic transactions against the other region, as a client would make them, before any client is sent there. */
import { readFile } from "node:fs/promises";
import { messageOf } from "../../kernel/errors.js";
import { type Duration, SECOND } from "../../kernel/time.js";
import type { HttpClient } from "../../platform/http-client.js";
import type { Clock, Draws } from "../../platform/system.js";
import type { SyntheticRequest, VerifyTarget } from "../domain/region-plan.js";
import type { Driver } from "../driver.js";

export interface HttpPorts {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly draws: Draws;
}

const TIMEOUT: Duration = 5 * SECOND;
const BETWEEN: Duration = 100;
const ANSWER_BYTES_MAX = 256 * 1024;

export function httpDriver({ http, clock, draws }: HttpPorts): Driver<VerifyTarget> {
  /** Why the transaction did not go through; undefined when it did. */
  const once = async (target: VerifyTarget): Promise<string | undefined> => {
    const marker = `mainstay-${draws.hex(16)}`;
    const token =
      target.tokenFile === undefined ? undefined : (await readFile(target.tokenFile, "utf8")).trim();
    for (const request of target.requests) {
      const why = await ask(request, marker, token);
      if (why !== undefined) return why;
    }
    return undefined;
  };
  const ask = async (
    request: SyntheticRequest,
    marker: string,
    token: string | undefined,
  ): Promise<string | undefined> => {
    const put = (text: string): string => text.replaceAll("{marker}", marker);
    const url = new URL(put(request.url));
    const place = `${request.method} ${url.host}`;
    const { status, body } = await http.call({
      method: request.method,
      url,
      headers: { ...request.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      ...(request.body === "" ? {} : { body: put(request.body) }),
      timeoutMs: TIMEOUT,
      bytesMax: ANSWER_BYTES_MAX,
    });
    if (status !== request.status) return `${place} answers ${status}, expected ${request.status}`;
    if (!body.toString("utf8").includes(put(request.contains)))
      return `${place} answers without what was expected in it`;
    return undefined;
  };

  return {
    async observe({ requests }) {
      // Trying writes into what is not there yet; what is asked in `verify` is what counts.
      return { from: "none", to: "ready", because: `${requests.length} requests are to be made` };
    },
    async act() {
      return { kind: "acted", because: "it is tried from outside" };
    },
    async verify(target) {
      const begun = clock.monotonic();
      for (let time = 0; time < target.times; time++) {
        if (time > 0) await clock.sleep(BETWEEN);
        const why = await once(target).catch((error: unknown) => messageOf(error));
        if (why !== undefined) return { kind: "not-yet", because: why };
      }
      const took = Math.round(clock.monotonic() - begun);
      const transactions = target.times === 1 ? "1 transaction" : `${target.times} transactions in a row`;
      return { kind: "verified", because: `${transactions} went through in ${took} ms` };
    },
  };
}
