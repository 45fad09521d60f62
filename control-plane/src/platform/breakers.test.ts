import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createBreakers, guardOf } from "./breakers.js";
import { HttpClient } from "./http-client.js";
import { silentLogger } from "./logger.js";
import { Metrics } from "./metrics.js";
import { fakeSystem } from "./testing/fake-system.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that answers with `status.now`, and a client with a breaker on a clock turned by hand. */
async function house() {
  const status = { now: 200 };
  let asked = 0;
  const server: Server = createServer((_, response) => {
    asked++;
    response.statusCode = status.now;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/any`);
  const system = fakeSystem();
  const metrics = new Metrics();
  const breakers = createBreakers({ clock: system.clock, logger: silentLogger, metrics, openFor: 60_000 });
  const client = new HttpClient({ guard: guardOf(breakers) });
  closers.push(
    () => client.close(),
    () => new Promise((resolve) => server.close(resolve)),
  );
  const call = async (): Promise<string> =>
    client.call({ method: "GET", url, timeoutMs: 5_000 }).then(
      (answer) => `${answer.status}`,
      (error: Error) => error.message,
    );
  return { status, system, metrics, breakers, client, call, url, asked: () => asked };
}

describe("a guarded client", () => {
  test("calls a server that answers 5xx five times, and then not for a minute", async () => {
    const { status, system, call, url, asked, metrics } = await house();
    status.now = 503;
    for (let i = 0; i < 5; i++) expect(await call()).toBe("503");
    status.now = 200;
    expect(await call()).toBe(
      `${url.origin} is not called for another 60 s: 5 calls in a row failed, the last: it answered, and not well`,
    );
    expect(asked()).toBe(5);
    expect((await metrics.text()).body).toContain(`mainstay_breaker_state{breaker="${url.origin}"} 2`);
    system.clock.advance(60_000);
    for (let i = 0; i < 5; i++) expect(await call()).toBe("200");
    expect((await metrics.text()).body).toContain(`mainstay_breaker_state{breaker="${url.origin}"} 0`);
    expect((await metrics.text()).body).toContain(
      `mainstay_breaker_refused_total{breaker="${url.origin}"} 1`,
    );
  });

  test("takes 4xx for an answer, and a caller that goes away for neither", async () => {
    const { status, client, call, url, breakers } = await house();
    status.now = 404;
    for (let i = 0; i < 9; i++) expect(await call()).toBe("404");
    for (let i = 0; i < 9; i++) {
      const gone = AbortSignal.abort();
      await expect(client.call({ method: "GET", url, timeoutMs: 5_000, signal: gone })).rejects.toMatchObject(
        {
          code: "CANCELLED",
        },
      );
    }
    expect(breakers.find(url.origin)?.figures.state).toEqual({ kind: "closed", failures: 0 });
  });
});
