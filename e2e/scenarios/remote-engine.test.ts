/** Expressions are evaluated by a real Prometheus: samples are written on to it, and nothing is lost while it is away. */
import { AlertState } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Exporter, startExporter } from "../harness/exporter.js";
import type { Operator } from "../harness/operator.js";
import { type PrometheusServer, startPrometheus } from "../harness/remote-prometheus.js";
import { Stack } from "../harness/stack.js";
import { pause, until } from "../harness/until.js";

const rules = `
groups:
  - name: remote
    interval: 1s
    rules:
      - { record: "story:double", expr: story_value * 2 }
      - { alert: High, expr: "story_value > 5", for: 1s, annotations: { summary: "{{ $value }} on {{ $labels.node }}" } }
`;

let prometheus: PrometheusServer;
let exporter: Exporter;
let stack: Stack;
let operator: Operator;

beforeAll(async () => {
  prometheus = await startPrometheus();
  exporter = await startExporter();
  exporter.set("story_value", 3);
  const args = ["--timeseries", "remote", "--remote-write-url", `${prometheus.url}/api/v1/write`];
  stack = await Stack.start({
    rules,
    args: [...args, "--remote-query-url", prometheus.url, "--breaker-open-seconds", "5"],
  });
  operator = stack.operator();
  await stack.startAgent("web-1", { collect: { scrape: [{ job: "story", url: exporter.url }] } });
});
afterAll(async () => {
  await stack?.stop();
  await exporter?.stop();
  await prometheus?.stop();
});

const answerTo = async (expr: string): Promise<number | undefined> => {
  const { series } = await operator.metrics().query({ expr });
  return series[0]?.points[0]?.value;
};

/** What Prometheus itself says. */
async function askPrometheus(query: string): Promise<unknown> {
  const response = await fetch(`${prometheus.url}/api/v1/query?${new URLSearchParams({ query })}`);
  const { data } = (await response.json()) as {
    data: { result: { metric: object; value: [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => ({ metric, value: value[1] }));
}

describe("a remote engine", () => {
  test("has the agents' samples and our own, bit for bit, and answers our queries", async () => {
    await until(
      "the sample in Prometheus",
      async () => ((await answerTo("story_value")) === 3 ? true : undefined),
      60_000,
    );
    expect(await askPrometheus('story_value{node="web-1"}')).toMatchObject([
      { metric: { __name__: "story_value", job: "story", node: "web-1" }, value: "3" },
    ]);
    await until(
      "the recorded sample",
      async () => ((await answerTo("story:double")) === 6 ? true : undefined),
      60_000,
    );
    const names = await operator.rest("/api/v1/label/__name__/values?match[]=story_value");
    expect(names.body).toEqual({ status: "success", data: ["story_value"] });
    const wrong = await operator.rest("/api/v1/query?query=sum(");
    expect([wrong.status, wrong.body]).toMatchObject([400, { errorType: "bad_data" }]);
  });

  test("evaluates the rules, and says so", async () => {
    exporter.set("story_value", 7);
    const fired = await until(
      "the alert",
      async () => {
        const { alerts } = await operator.alerts().listAlerts({});
        return alerts.find(({ rule, state }) => rule === "High" && state === AlertState.FIRING);
      },
      60_000,
    );
    expect(fired.annotations["summary"]).toBe("7 on web-1");
    const { body } = await operator.rest("/api/v1/rules");
    expect(body).toMatchObject({ data: { groups: [{ name: "remote", evaluator: `${prometheus.url}/` }] } });
    const health = await operator.rest("/health/detailed");
    expect(health.text).toContain(`expressions are evaluated by the engine at ${prometheus.url}`);
  });

  test("that goes away loses nothing: alerts keep their state, and what waits is written when it is back", async () => {
    const before = (await operator.alerts().listAlerts({})).alerts.map(({ alertId, state, activeAt }) => ({
      alertId,
      state,
      activeAt,
    }));
    await prometheus.program.killHard();
    const down = Date.now();
    await pause(12_000);
    const away = await operator.rest("/api/v1/query?query=story_value");
    expect([away.status, away.body]).toMatchObject([503, { errorType: "unavailable" }]);
    // Left alone but for a try every five seconds.
    const breaker = async () => {
      const { body } = await operator.rest("/api/mainstay/v1/breakers");
      const { breakers } = body as { breakers: { name: string; state: string; because: string }[] };
      return breakers.find(({ name }) => name === prometheus.url);
    };
    expect(await breaker()).toMatchObject({ state: expect.stringMatching(/OPEN/) });
    expect(
      (await operator.alerts().listAlerts({})).alerts.map(({ alertId, state, activeAt }) => ({
        alertId,
        state,
        activeAt,
      })),
    ).toEqual(before);
    await prometheus.restart();
    await until(
      "the samples of the outage",
      async () => {
        const seconds = Math.ceil((Date.now() - down) / 1_000);
        const count = await answerTo(`count_over_time(story_value{node="web-1"}[${seconds}s])`);
        // One each second, less what is still on its way.
        return count !== undefined && count >= seconds - 9 ? true : undefined;
      },
      90_000,
    );
    expect(
      await until("the breaker to close", async () =>
        (await breaker())?.state.endsWith("CLOSED") ? true : undefined,
      ),
    ).toBe(true);
    const { text } = await operator.rest("/metrics");
    expect(text).toMatch(/^mainstay_remote_write_refused_total 0$/m);
    expect(Number(/^mainstay_remote_write_samples_total (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(1_000);
  }, 180_000);
});
