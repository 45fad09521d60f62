/** Why an alert fires and who was told, with a picture; what hides it; and who another file would have told. */
import { AlertState } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";
import { startWebhook, type Webhook } from "../harness/webhook.js";

const RULES = `
groups:
  - name: story
    interval: 1s
    rules:
      - { record: story_level, expr: vector(7) }
      - alert: LevelHigh
        expr: story_level > 5
        for: 2s
        labels: { severity: critical }
        annotations:
          summary: '{{ with query "count(story_level)" }}{{ . | first | value }} series at {{ $value }}{{ end }} in {{ $externalLabels.cluster }}'
`;

let webhook: Webhook;
let stack: Stack;
let operator: Operator;
let alertId = "";

const file = (receiver: string): string => `
route: { receiver: ${receiver}, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 24h }
receivers:
  - { name: team, webhook_configs: [{ url: "${webhook.url}" }] }
  - { name: pager, webhook_configs: [{ url: "${webhook.url}" }] }
`;

beforeAll(async () => {
  webhook = await startWebhook();
  stack = await Stack.start({
    rules: RULES,
    alertmanager: file("team"),
    args: ["--external-labels", "cluster=north"],
  });
  operator = stack.operator();
});
afterAll(async () => {
  await stack?.stop();
  await webhook?.stop();
});

test("the alert is told with the house's labels, and its text says what it queried", async () => {
  const firing = await until("the alert to fire", async () =>
    (await operator.alerts().listAlerts({})).alerts.find(({ state }) => state === AlertState.FIRING),
  );
  ({ alertId } = firing);
  expect(firing.annotations["summary"]).toBe("1 series at 7 in north");
  const notice = await until("a notice", () => webhook.notices[0]);
  expect(notice.alerts[0]?.labels).toMatchObject({ alertname: "LevelHigh", cluster: "north" });
});

test("its account says what it saw, who was told and how that went, and what hides it from now on", async () => {
  const account = await until("the delivery", async () => {
    const answer = await operator.alerts().getAlert({ alertId });
    return answer.notices[0]?.state === "delivered" ? answer : undefined;
  });
  expect(account).toMatchObject({
    receivers: ["team"],
    hiddenBy: [],
    notes: [],
    notices: [{ receiver: "team", integration: "webhook[0]", reason: "first", lastAnswer: "HTTP 200" }],
  });
  const now = Date.now();
  const silence = await operator.rest("/api/v2/silences", {
    method: "POST",
    body: {
      matchers: [{ name: "cluster", value: "north", isRegex: false, isEqual: true }],
      ...{ createdBy: "ann", comment: "we know" },
      startsAt: new Date(now).toISOString(),
      endsAt: new Date(now + 3_600_000).toISOString(),
    },
  });
  expect(silence.status).toBe(200);
  const hidden = await operator.alerts().getAlert({ alertId });
  expect(hidden.hiddenBy).toMatchObject([
    { kind: "silence", hidesNow: true, what: '{cluster="north"} by ann: we know' },
  ]);
});

test("its chart is a drawing over REST, and a picture for an AI client", async () => {
  const drawn = async (name: string) => {
    const url = `http://127.0.0.1:${stack.ports.rest}/api/mainstay/v1/alerts/${alertId}/${name}`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${operator.token}` } });
    return {
      status: answer.status,
      type: answer.headers.get("content-type"),
      bytes: Buffer.from(await answer.arrayBuffer()),
    };
  };
  const svg = await drawn("chart.svg");
  expect(svg).toMatchObject({ status: 200, type: "image/svg+xml" });
  for (const part of ["<svg", "LevelHigh", "story_level &gt; 5", "polyline"])
    expect(svg.bytes.toString("utf8")).toContain(part);
  const png = await drawn("chart.png");
  expect(png).toMatchObject({ status: 200, type: "image/png" });
  expect(png.bytes.subarray(1, 4).toString("latin1")).toBe("PNG");
  expect((await drawn("chart.gif")).status).toBe(404);

  const url = await stack.startMcpServer();
  const client = new Client({ name: "story", version: "1" });
  await client.connect(
    new StreamableHTTPClientTransport(url, {
      requestInit: { headers: { authorization: `Bearer ${operator.token}` } },
    }),
  );
  const { content } = await client.callTool({
    name: "alert_why",
    arguments: { alert_id: alertId, chart: true },
  });
  await client.close();
  expect(content).toMatchObject([
    { type: "text", text: expect.stringContaining("1 receiver hear") },
    { type: "image", mimeType: "image/png", data: expect.stringMatching(/^iVBORw0KGgo/) },
  ]);
});

test("another file's routes are tried over the past: who would have been told, beside who was", async () => {
  const labels = { alertname: "LevelHigh", severity: "critical" };
  const reached = await operator.rest("/api/mainstay/v1/routes:test", { method: "POST", body: { labels } });
  expect(reached.body).toMatchObject({
    routes: [{ receiver: "team", groupLabels: { alertname: "LevelHigh" } }],
  });
  const to = new Date();
  const times = { from: new Date(to.getTime() - 3_600_000).toISOString(), to: to.toISOString() };
  const replay = async (config: string) =>
    operator.rest("/api/mainstay/v1/routes:replay", { method: "POST", body: { config, ...times } });
  expect((await replay("")).body).toMatchObject({ tellings: [{ receiver: "team", would: 1, did: 1 }] });
  expect((await replay(file("pager"))).body).toMatchObject({
    tellings: [
      { receiver: "pager", would: 1, did: 0, labels: { alertname: "LevelHigh", cluster: "north" } },
      { receiver: "team", would: 0, did: 1 },
    ],
  });
  expect((await replay("route: [")).status).toBe(400);
});
