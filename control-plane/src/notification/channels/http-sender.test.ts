import { expect, test } from "vitest";
import { createBreakers, guardOf } from "../../platform/breakers.js";
import { silentLogger } from "../../platform/logger.js";
import { Metrics } from "../../platform/metrics.js";
import { fakeSystem } from "../../platform/testing/fake-system.js";
import { sendMessage } from "./http-sender.js";

test("a receiver that nobody answers for is left alone after five attempts, and asked again when its minute is over", async () => {
  const { clock } = fakeSystem();
  const breakers = createBreakers({ clock, logger: silentLogger, metrics: new Metrics(), openFor: 60_000 });
  const ports = { clock, readFile: async () => "", guard: guardOf(breakers) };
  const http = { followRedirects: true };
  // Port 1 takes no connection.
  const message = { url: "http://127.0.0.1:1/a-secret-path", http, contentType: "text/plain", body: "x" };
  const attempt = () => sendMessage(message, ports, AbortSignal.timeout(5_000));
  for (let i = 0; i < 5; i++)
    expect(await attempt()).toEqual({ kind: "failed", answer: "127.0.0.1:1: ECONNREFUSED" });
  clock.advance(20_000);
  expect(await attempt()).toEqual({
    kind: "failed",
    answer:
      "http://127.0.0.1:1 is not called for another 40 s: 5 calls in a row failed, the last: 127.0.0.1:1: ECONNREFUSED",
    retryAfter: 40_000,
  });
});
