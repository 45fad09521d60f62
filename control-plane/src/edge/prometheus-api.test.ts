/** The Prometheus API over HTTP, as its clients use it, on a few series held in memory. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import { DAY } from "../kernel/time.js";
import { systemClock } from "../platform/system.js";
import type { Value } from "../promql/value.js";
import type { Figures } from "../timeseries/timeseries.module.js";
import type { PromAlert, PromRuleGroup } from "./prometheus/alerting-reads.js";
import { type PrometheusDeps, prometheusDoor } from "./prometheus/prometheus-api.js";
import { openTestDoors, type TestDoors, TOKEN } from "./testing/open-test-doors.js";

const run = promisify(execFile);
const PROMTOOL = "/usr/bin/promtool";

const notes = { warnings: [], infos: [] };
const asked: unknown[] = [];
const figures = { activeSeries: 2, chunksWritten: 7 } as Figures;
const series: PrometheusDeps["series"] = {
  openWriter: () => ({
    open() {},
    keep: async () => ({ done() {} }),
    find: () => undefined,
    announce: () => 0,
    write: async () => ({ kept: 0, refusals: [] }),
  }),
  figures: async () => figures,
  async query(expr, at, options): Promise<Value> {
    asked.push({ expr, at, timeoutMs: options?.timeoutMs });
    if (expr === "a * b")
      throw new OpsError("INVALID_ARGUMENT", "found duplicate series for the match group");
    if (expr === "slow") throw new OpsError("DEADLINE_EXCEEDED", "query timed out in expression evaluation");
    if (expr.replaceAll(" ", "") === "1+1") return { kind: "scalar", timestamp: at, value: 2, ...notes };
    const samples = ["a", "b"].map((node) => ({ labels: { __name__: "up", node }, timestamp: at, value: 1 }));
    return { kind: "vector", samples, warnings: [], infos: ["PromQL info: x"] };
  },
  async queryRange(expr, from, to, step) {
    asked.push({ expr, from, to, step });
    const timestamps = Float64Array.of(from, to);
    return {
      kind: "matrix",
      series: [{ labels: { __name__: expr }, timestamps, values: timestamps }],
      ...notes,
    };
  },
  async labelNames(filter) {
    asked.push(filter);
    return { items: ["__name__", "node"], truncated: filter.limit === 1 };
  },
  async labelValues(label, filter) {
    asked.push(filter);
    return { items: label === "__name__" ? ["http_requests_total", "up"] : ["a", "b"], truncated: false };
  },
  async series(filter) {
    asked.push(filter);
    return { items: [{ __name__: "up", node: "a" }], truncated: false };
  },
};
const alert: PromAlert = {
  labels: { alertname: "DiskSpaceLow", node: "a" },
  annotations: {},
  state: "firing",
  activeAt: 1_435_781_451_781,
  value: 0.1,
};
const rule = {
  kind: "alerting",
  name: "DiskSpaceLow",
  query: "x < 15",
  labels: { severity: "warn" },
  annotations: {},
  health: "ok",
  lastError: "",
  evaluationSeconds: 0,
  lastEvaluation: 0,
  for: 0,
  keepFiringFor: 0,
  alerts: [alert],
  state: "firing",
} as const;
const groups: PromRuleGroup[] = ["one", "two"].map((name) => ({
  name,
  file: `${name}.yml`,
  interval: 15_000,
  limit: 0,
  evaluationSeconds: 0,
  lastEvaluation: 0,
  rules: [rule],
}));

let doors: TestDoors;
beforeAll(async () => {
  const alerting = { alerts: async () => [alert], rules: async () => groups };
  doors = await openTestDoors({
    prometheus: prometheusDoor({
      series,
      alerting,
      clock: systemClock,
      version: "0.1.0",
      startedAt: 1_435_781_451_781,
      ruleFiles: ["/etc/rules.yml"],
      retention: 15 * DAY,
    }),
  });
});
afterAll(() => doors.close());

async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> {
  const headers = { authorization: `Bearer ${TOKEN}`, ...init.headers };
  const answer = await fetch(`${doors.rest}${path}`, { ...init, headers });
  return { status: answer.status, body: await answer.json() };
}

describe("queries", () => {
  test.each(["/api/v1/query", "/prometheus/api/v1/query"])("GET %s", async (path) => {
    expect(await ask(`${path}?query=up&time=1435781451.781`)).toEqual({
      status: 200,
      body: {
        status: "success",
        data: {
          resultType: "vector",
          result: [
            { metric: { __name__: "up", node: "a" }, value: [1_435_781_451.781, "1"] },
            { metric: { __name__: "up", node: "b" }, value: [1_435_781_451.781, "1"] },
          ],
        },
        infos: ["PromQL info: x"],
      },
    });
  });

  test("POST with a form, as Grafana does", async () => {
    asked.length = 0;
    const body = new URLSearchParams({ query: "1 + 1", time: "4", timeout: "5s" });
    expect(await ask("/api/v1/query", { method: "POST", body })).toEqual({
      status: 200,
      body: { status: "success", data: { resultType: "scalar", result: [4, "2"] } },
    });
    expect(asked).toEqual([{ expr: "1 + 1", at: 4_000, timeoutMs: 5_000 }]);
  });

  test("a limit cuts and says so", async () => {
    expect((await ask("/api/v1/query?query=up&limit=1")).body).toMatchObject({
      data: { result: [{ metric: { node: "a" } }] },
      warnings: ["results truncated due to limit"],
    });
  });

  test("a range", async () => {
    expect((await ask("/api/v1/query_range?query=up&start=0&end=60&step=15")).body).toEqual({
      status: "success",
      data: {
        resultType: "matrix",
        result: [
          {
            metric: { __name__: "up" },
            values: [
              [0, "0"],
              [60, "60000"],
            ],
          },
        ],
      },
    });
  });

  test.each([
    {
      what: "no expression",
      path: "query",
      status: 400,
      errorType: "bad_data",
      error: "no expression found in input",
    },
    {
      what: "a bad expression",
      path: "query?query=up%7B",
      status: 400,
      errorType: "bad_data",
      error: 'invalid parameter "query": 1:4: parse error',
    },
    {
      what: "one that cannot be evaluated",
      path: "query?query=a%20*%20b",
      status: 422,
      errorType: "execution",
      error: "found duplicate series",
    },
    {
      what: "one that takes too long",
      path: "query?query=slow",
      status: 503,
      errorType: "timeout",
      error: "query timed out",
    },
    {
      what: "a bad time",
      path: "query?query=up&time=x",
      status: 400,
      errorType: "bad_data",
      error: 'invalid parameter "time"',
    },
    {
      what: "too many points",
      path: "query_range?query=up&start=0&end=100000&step=1",
      status: 400,
      errorType: "bad_data",
      error: "exceeded maximum resolution of 11,000 points",
    },
    {
      what: "series without a selector",
      path: "series",
      status: 400,
      errorType: "bad_data",
      error: "no match[] parameter provided",
    },
    {
      what: "a bad selector",
      path: "series?match[]=up%5B5m%5D",
      status: 400,
      errorType: "bad_data",
      error: 'invalid parameter "match[]"',
    },
    {
      what: "a page of rules without a size",
      path: "rules?group_next_token=x",
      status: 400,
      errorType: "bad_data",
      error: "group_limit needs to be set",
    },
    {
      what: "another lookback",
      path: "query?query=up&lookback_delta=1m",
      status: 400,
      errorType: "bad_data",
      error: "only the default of 5m",
    },
    {
      what: "a range of strings",
      path: "query_range?query=%22x%22&start=0&end=1&step=1",
      status: 400,
      errorType: "bad_data",
      error: 'invalid expression type "string" for range query',
    },
    {
      what: "a federation of everything",
      path: "../../federate",
      status: 400,
      errorType: "bad_data",
      error: "no match[] parameter provided",
    },
    {
      what: "the ruler, which is not here",
      path: "rules/test/test",
      status: 404,
      errorType: "not_found",
      error: "page not found",
    },
  ])("$what is $status $errorType", async ({ path, status, errorType, error }) => {
    const answer = await ask(`/api/v1/${path}`);
    expect(answer).toMatchObject({ status, body: { status: "error", errorType } });
    expect(answer.body).toHaveProperty("error", expect.stringContaining(error));
  });

  test("without a token it is 401 in Prometheus' shape; with another verb 405", async () => {
    const refused = await fetch(`${doors.rest}/api/v1/query?query=up`);
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ status: "error", errorType: "unauthorized" });
    expect(await ask("/api/v1/query", { method: "DELETE" })).toMatchObject({ status: 405 });
  });
});

describe("labels, series and metadata", () => {
  test("names, with their selectors parsed", async () => {
    asked.length = 0;
    const path = `/api/v1/labels?match[]=${encodeURIComponent('up{node=~"a|b"}')}&match[]=x&start=1&end=2&limit=1`;
    expect((await ask(path)).body).toEqual({
      status: "success",
      data: ["__name__", "node"],
      warnings: ["results truncated due to limit"],
    });
    expect(asked).toEqual([
      {
        selectors: [
          expect.arrayContaining([
            { name: "node", op: "=~", value: "a|b" },
            { name: "__name__", op: "=", value: "up" },
          ]),
          [{ name: "__name__", op: "=", value: "x" }],
        ],
        from: 1_000,
        to: 2_000,
        limit: 1,
      },
    ]);
  });

  test("values, series and metadata", async () => {
    expect((await ask("/api/v1/label/node/values")).body).toEqual({ status: "success", data: ["a", "b"] });
    expect((await ask("/api/v1/series?match[]=up")).body).toEqual({
      status: "success",
      data: [{ __name__: "up", node: "a" }],
    });
    expect((await ask("/api/v1/metadata")).body).toMatchObject({
      data: { http_requests_total: [{ type: "counter" }], up: [{ type: "unknown" }] },
    });
    expect((await ask("/api/v1/metadata?metric=up")).body).toEqual({
      status: "success",
      data: { up: [{ type: "unknown", help: "", unit: "" }] },
    });
    expect((await ask("/api/v1/status/buildinfo")).body).toMatchObject({
      data: { version: expect.stringMatching(/^3\./), revision: "mainstay-0.1.0" },
    });
  });
});

describe("rules and alerts", () => {
  test("all, or those asked for", async () => {
    expect((await ask("/api/v1/alerts")).body).toMatchObject({
      data: { alerts: [{ labels: { alertname: "DiskSpaceLow" }, state: "firing", value: "1e-01" }] },
    });
    const groupsOf = async (query: string): Promise<unknown[]> =>
      ((await ask(`/api/v1/rules${query}`)).body as { data: { groups: unknown[] } }).data.groups;
    expect(await groupsOf("")).toHaveLength(2);
    expect(await groupsOf("?rule_group[]=one")).toHaveLength(1);
    expect(await groupsOf("?file[]=two.yml&type=alert")).toHaveLength(1);
    expect(await groupsOf("?type=record")).toHaveLength(0);
    expect(await groupsOf("?rule_name[]=Other")).toHaveLength(0);
    expect(await groupsOf("?match[]=%7Bseverity%3D%22page%22%7D")).toHaveLength(0);
    expect(await groupsOf("?match[]=%7Bseverity%3D~%22w.*%22%7D&match[]=none")).toHaveLength(2);
    expect(await groupsOf("?exclude_alerts=true")).toMatchObject([{ rules: [{ alerts: [] }] }, {}]);
    expect(await ask("/api/v1/rules?type=x")).toMatchObject({ status: 400 });
  });

  test("page by page", async () => {
    interface Page {
      readonly groups: readonly { readonly name: string }[];
      readonly groupNextToken?: string;
    }
    const page = async (query: string): Promise<Page> =>
      ((await ask(`/api/v1/rules?${query}`)).body as { data: Page }).data;
    const first = await page("group_limit=1");
    expect(first.groups.map(({ name }) => name)).toEqual(["one"]);
    const second = await page(`group_limit=1&group_next_token=${first.groupNextToken}`);
    expect(second.groups.map(({ name }) => name)).toEqual(["two"]);
    expect(second).not.toHaveProperty("groupNextToken");
    expect(await page("group_limit=2")).not.toHaveProperty("groupNextToken");
    expect(await ask("/api/v1/rules?group_limit=1&group_next_token=x")).toMatchObject({
      status: 400,
      body: { error: "invalid group_next_token 'x'. were rule groups changed?" },
    });
    expect(await ask("/api/v1/rules?group_limit=0")).toMatchObject({ status: 400 });
  });
});

describe("what is told of an expression", () => {
  test("its form and its tree", async () => {
    expect((await ask("/api/v1/format_query?query=sum(up)by(job)%2B1")).body).toEqual({
      status: "success",
      data: "sum by (job) (up) + 1",
    });
    const body = new URLSearchParams({ query: "up" });
    expect((await ask("/api/v1/parse_query", { method: "POST", body })).body).toMatchObject({
      data: { type: "vectorSelector", name: "up" },
    });
    for (const path of ["format_query", "parse_query", "query_exemplars"]) {
      const { status, body: told } = await ask(`/api/v1/${path}?query=up%7B`);
      expect(status).toBe(400);
      expect(told).toMatchObject({
        errorType: "bad_data",
        error: expect.stringContaining("1:4: parse error"),
      });
    }
  });

  test("how long it took, when that is asked", async () => {
    const { body } = await ask("/api/v1/query?query=up&stats=all");
    expect(body).toMatchObject({ data: { stats: { timings: { execTotalTime: expect.any(Number) } } } });
  });
});

describe("what is watched", () => {
  test("agents and whatever else has an up", async () => {
    const { body } = await ask("/api/v1/targets?state=active");
    expect(body).toMatchObject({
      data: {
        activeTargets: [
          { labels: { node: "a" }, health: "up", lastError: "", scrapePool: "", discoveredLabels: {} },
          { labels: { node: "b" }, health: "up" },
        ],
        droppedTargets: [],
        droppedTargetCounts: {},
      },
    });
    expect((await ask("/api/v1/targets?state=dropped")).body).toMatchObject({ data: { activeTargets: [] } });
    expect((await ask("/api/v1/targets?scrapePool=x")).body).toMatchObject({ data: { activeTargets: [] } });
  });
});

/** What Grafana's data source, Prometheus' own pages and promtool ask before or beside queries. */
describe("every probe has its shape", () => {
  test.each([
    { path: "query?query=1%2B1&time=4", data: { resultType: "scalar", result: [4, "2"] } },
    { path: "labels?start=1&end=2", data: ["__name__", "node"] },
    { path: "label/__name__/values?match[]=up&limit=40000", data: ["http_requests_total", "up"] },
    { path: "label/U__a_2e_b/values", data: ["a", "b"] },
    { path: "metadata?limit=1", data: { http_requests_total: [{ type: "counter", help: "", unit: "" }] } },
    { path: "metadata?limit_per_metric=1&metric=none", data: {} },
    { path: "query_exemplars?query=up&start=1&end=2", data: [] },
    { path: "status/buildinfo", data: expect.not.objectContaining({ features: expect.anything() }) },
    { path: "rules?limit_alerts=1", data: { groups: [expect.anything(), expect.anything()] } },
    { path: "alerts", data: { alerts: [expect.objectContaining({ state: "firing" })] } },
    { path: "scrape_pools", data: { scrapePools: [""] } },
    { path: "targets/metadata", data: [] },
    { path: "alertmanagers", data: { activeAlertmanagers: [], droppedAlertmanagers: [] } },
    { path: "status/config", data: { yaml: 'global: {}\nrule_files:\n  - "/etc/rules.yml"\n' } },
    { path: "status/flags", data: expect.objectContaining({ "storage.tsdb.retention.time": "15d" }) },
    { path: "status/runtimeinfo", data: expect.objectContaining({ startTime: "2015-07-01T20:10:51.781Z" }) },
    { path: "status/walreplay", data: { min: 0, max: 0, current: 0, state: "done" } },
    { path: "notifications", data: [] },
    {
      path: "status/tsdb?limit=1",
      data: expect.objectContaining({
        headStats: expect.objectContaining({ numSeries: 2 }),
        seriesCountByMetricName: expect.arrayContaining([{ name: "up", value: 1 }]),
      }),
    },
  ])("$path", async ({ path, data }) => {
    expect(await ask(`/api/v1/${path}`)).toMatchObject({ status: 200, body: { status: "success", data } });
  });

  test.each(["rules/test/test", "status/nothing", "label/a/b/values", "admin/tsdb/snapshot"])(
    "%s is not here, in the words Grafana knows",
    async (path) => {
      const { status, body } = await ask(`/api/v1/${path}`);
      expect(status).toBe(404);
      expect(body).toMatchObject({ status: "error", error: expect.stringContaining("page not found") });
    },
  );
});

describe.runIf(existsSync(PROMTOOL))("promtool", () => {
  // Debian's promtool takes credentials in the URL only.
  const at = (path = ""): string => `${doors.rest.replace("://", `://promtool:${TOKEN}@`)}${path}`;
  const promtool = async (...args: string[]): Promise<string> =>
    (await run(PROMTOOL, ["query", ...args])).stdout;

  test("asks at an instant and over a range", async () => {
    expect(await promtool("instant", at(), "up")).toMatch(/^up\{node="a"\} => 1 @\[\d/);
    expect(await promtool("instant", at("/prometheus"), "1 + 1")).toMatch(/^scalar: 2 @\[/);
    expect(await promtool("range", at(), "up")).toContain("up =>");
  });

  test("finds labels and series, and takes the metrics for well made", async () => {
    expect(await promtool("labels", at(), "node")).toBe("a\nb\n");
    expect(await promtool("series", "--match", "up", at())).toContain('node="a"');
    const { body } = await doors.metrics.text();
    const checked = run(PROMTOOL, ["check", "metrics"]);
    checked.child.stdin?.end(body);
    await expect(checked).resolves.toMatchObject({ stderr: "" });
  });
});
