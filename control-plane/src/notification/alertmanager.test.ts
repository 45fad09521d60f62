/** Beside the real thing, where it is installed: the same file and the same alerts in Alertmanager and here. */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatYaml } from "../platform/format-yaml.js";
import { systemClock } from "../platform/system.js";
import { parseYamlText } from "../platform/yaml-text.js";
import { openChannel } from "./channels/open-channel.js";
import type { NotifiedAlert } from "./domain/alert.js";
import type { NotificationConfig } from "./domain/config.js";
import { fingerprintOf } from "./domain/fingerprint.js";
import { compareAlerts } from "./domain/flush-group.js";
import { Router } from "./domain/group-members.js";
import { readTexts } from "./domain/notice-texts.js";
import { readConfig } from "./domain/read-config.js";
import { redactConfig } from "./domain/redact-config.js";
import { routesFor } from "./domain/route-alert.js";
import { type Listener, openListener } from "./testing/listener.js";

const AMTOOL = "/usr/bin/amtool";
const ALERTMANAGER = "/usr/bin/prometheus-alertmanager";
const EXTERNAL_URL = "http://am.example";
const run = promisify(execFile);

const file = (url: string): string => `
global:
  resolve_timeout: 3m
  slack_api_url: ${url}/slack
route:
  receiver: default
  group_by: [alertname, cluster]
  group_wait: 500ms
  routes:
    - match: {severity: critical}
      receiver: pager
      continue: true
    - match_re: {service: "db|cache"}
      receiver: db.team
      group_by: ['...']
      routes:
        - matchers: ['owner="ann \\"x\\""', team!="q", zone=~"eu.*"]
          receiver: ann
    - matchers: ['{foo=bar, baz!~"a|b"}']
      receiver: default
      routes:
        - matchers: [owner=~"a.+"]
          continue: true
          receiver: ann
        - matchers: [zone=""]
          receiver: pager
receivers:
  - name: default
    webhook_configs: [{url: "${url}/default"}]
  - name: pager
    webhook_configs: [{url: "${url}/pager", max_alerts: 1}]
  - name: db.team
    webhook_configs: [{url: "${url}/db"}]
    slack_configs: [{send_resolved: true, fields: [{title: a, value: '{{ .CommonLabels.alertname | toUpper }}'}]}]
    pagerduty_configs: [{routing_key: abc, url: "${url}/pd"}]
  - name: ann
    webhook_configs: [{url: "${url}/ann"}]
    slack_configs: [{channel: "#{{ .GroupLabels.owner }}", text: '{{ range .Alerts }}{{ .Labels.SortedPairs.Values | join "," }};{{ end }}'}]
`;

const STARTS = "2026-11-22T14:00:00.120Z";
const posts: readonly { labels: Record<string, string>; annotations: Record<string, string> }[] = [
  {
    labels: { alertname: "X", severity: "critical", cluster: 'é"q\n', instance: "b" },
    annotations: { summary: "<s>" },
  },
  {
    labels: { alertname: "X", severity: "critical", cluster: 'é"q\n', instance: "a", job: "z" },
    annotations: { summary: "t" },
  },
  {
    labels: { alertname: "X", cluster: "c", zone: "z", instance: "a" },
    annotations: { summary: "t", more: "m" },
  },
  { labels: { alertname: "X", cluster: "c", job: "b" }, annotations: { summary: "t", more: "n" } },
  { labels: { alertname: "D", service: "db", z: "1" }, annotations: { runbook: "a & b" } },
  { labels: { alertname: "D", service: "db", owner: 'ann "x"', zone: "eu1" }, annotations: {} },
];

function read(text: string): NotificationConfig {
  const parsed = parseYamlText("alertmanager.yml", text, ({ value, lineOf }) => readConfig(value, lineOf));
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  return parsed.value;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** What was heard, by path and group, sorted: the two send in no common order. */
const heardBy = (listener: Listener): readonly unknown[] =>
  listener.heard
    .map(({ path, body }) => ({ path, body: JSON.parse(body) as unknown }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

let directory: string;
let theirs: Listener;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mainstay-alertmanager-"));
  theirs = await openListener();
});
afterAll(async () => {
  await theirs.close();
  await rm(directory, { recursive: true, force: true });
});

describe.runIf(existsSync(ALERTMANAGER))("beside Alertmanager", () => {
  test("the same alerts become the same requests: webhook, Slack, PagerDuty", async () => {
    const port = await freePort();
    const path = join(directory, "alertmanager.yml");
    await writeFile(path, file(theirs.url));
    const server = spawn(
      ALERTMANAGER,
      [
        ...[
          `--config.file=${path}`,
          `--storage.path=${join(directory, "data")}`,
          "--cluster.listen-address=",
        ],
        ...[`--web.listen-address=127.0.0.1:${port}`, `--web.external-url=${EXTERNAL_URL}`],
      ],
      { stdio: "ignore" },
    );
    try {
      const alerts = posts.map((post) => ({
        ...post,
        startsAt: STARTS,
        generatorURL: "http://p/graph?g0.expr=a+%3D",
      }));
      const post = async (): Promise<boolean> =>
        fetch(`http://127.0.0.1:${port}/api/v2/alerts`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          // One post would be flushed in parts: these alerts are old, and Alertmanager does not wait for such.
          body: JSON.stringify(alerts.map((alert) => ({ ...alert, startsAt: new Date().toISOString() }))),
        }).then(
          ({ ok }) => ok,
          () => false,
        );
      for (let tries = 0; !(await post()) && tries < 100; tries++) await systemClock.sleep(50);
      for (let tries = 0; theirs.heard.length < 7 && tries < 100; tries++) await systemClock.sleep(100);
    } finally {
      server.kill("SIGKILL");
      await new Promise((resolve) => server.once("exit", resolve));
    }
    const ours = await openListener();
    await sendAll(read(file(ours.url)));
    const same = (of: readonly unknown[]): unknown =>
      JSON.parse(JSON.stringify(of).replace(/"startsAt":"[^"]*"/g, '"startsAt":"…"'));
    expect(same(heardBy(ours))).toEqual(same(heardBy(theirs)));
    expect(theirs.heard).toHaveLength(7);
    await ours.close();
  });
});

async function sendAll(config: NotificationConfig): Promise<void> {
  const alerts = posts.map(
    ({ labels, annotations }): NotifiedAlert => ({
      fingerprint: fingerprintOf(labels),
      labels,
      annotations,
      startsAt: Date.parse(STARTS),
      endsAt: undefined,
      updatedAt: 0,
      generatorUrl: "http://p/graph?g0.expr=a+%3D",
    }),
  );
  const texts = readTexts([], EXTERNAL_URL);
  if ("faults" in texts) throw new Error(texts.faults.join());
  for (const { place, firing } of new Router(config.route).groups(alerts, 0).values()) {
    const receiver = config.receivers.find(({ name }) => name === place.receiver);
    const data = {
      groupKey: place.groupKey,
      receiver: place.receiver,
      groupLabels: place.labels,
      truncatedAlerts: 0,
      alerts: firing
        .map((alert) => ({ ...alert, status: "firing" as const, endsAt: undefined }))
        .map(({ endsAt: _, ...alert }) => alert)
        .sort((a, b) => compareAlerts(a.labels, b.labels)),
    };
    for (const { settings } of receiver?.integrations ?? []) {
      const channel = openChannel(settings, { clock: systemClock, readFile: async () => "" });
      const answer = await channel({ id: "id", data, texts: texts.value }, new AbortController().signal);
      expect(answer.kind).toBe("delivered");
    }
  }
}

describe.runIf(existsSync(AMTOOL))("beside amtool", () => {
  const amtool = async (...args: string[]) => (await run(AMTOOL, args)).stdout.trim();

  test("any alert takes the same routes", async () => {
    const path = join(directory, "routes.yml");
    const text = file("http://receiver");
    await writeFile(path, text);
    const { route } = read(text);
    const value = fc.constantFrom("critical", "db", "cache", 'ann "x"', "ann", "eu1", "q", "bar", "a", "x");
    const labels = fc.dictionary(
      fc.constantFrom("severity", "service", "owner", "team", "zone", "foo", "baz"),
      value,
      { maxKeys: 5 },
    );
    await fc.assert(
      fc.asyncProperty(labels, async (of) => {
        const args = Object.entries(of).map(([name, text]) => `${name}=${JSON.stringify(text)}`);
        const expected = await amtool("config", "routes", "test", `--config.file=${path}`, ...args);
        expect(
          routesFor(route, of)
            .map(({ receiver }) => receiver)
            .join(","),
        ).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });

  test("what we show of a file holds no secret, and amtool reads it", async () => {
    const text = file("http://user:pass@receiver:9");
    const content: unknown = parseYamlText("", text, ({ value }) => ({ value }));
    const shown = formatYaml(redactConfig((content as { value: unknown }).value));
    expect(shown).not.toMatch(/pass|\/default|\/ann|\babc\b/);
    const path = join(directory, "shown.yml");
    await writeFile(path, shown);
    expect(await amtool("check-config", path)).toContain("SUCCESS");
    expect(await amtool("config", "routes", "show", `--config.file=${path}`)).toContain(
      '{severity="critical"}',
    );
  });

  const base = "route: {receiver: r}\nreceivers: [{name: r}]\n";
  test.each([
    ["the least there can be", base, true],
    ["no route", "receivers: [{name: r}]", false],
    ["a receiver that is none", "route: {receiver: x}\nreceivers: [{name: r}]", false],
    ["a receiver twice", "route: {receiver: r}\nreceivers: [{name: r}, {name: r}]", false],
    ["matchers at the root", "route: {receiver: r, matchers: [a=b]}\nreceivers: [{name: r}]", false],
    ["a field that is none", `${base}typo: 1`, false],
    ["group_interval of zero", "route: {receiver: r, group_interval: 0s}\nreceivers: [{name: r}]", false],
    ["a label twice in group_by", "route: {receiver: r, group_by: [a, a]}\nreceivers: [{name: r}]", false],
    ["`...` and another", "route: {receiver: r, group_by: [a, '...']}\nreceivers: [{name: r}]", false],
    [
      "a window that is none",
      "route: {receiver: r, routes: [{mute_time_intervals: [x]}]}\nreceivers: [{name: r}]",
      false,
    ],
    ["a window twice", `${base}time_intervals: [{name: a}, {name: a}]`, false],
    ["a bad matcher", "route: {receiver: r, routes: [{matchers: ['a']}]}\nreceivers: [{name: r}]", false],
    [
      "a bad expression",
      "route: {receiver: r, routes: [{match_re: {a: '['}}]}\nreceivers: [{name: r}]",
      false,
    ],
    [
      "days in order",
      `${base}time_intervals: [{name: a, time_intervals: [{days_of_month: ['-3:-1', '1:31']}]}]`,
      true,
    ],
    [
      "days out of order",
      `${base}time_intervals: [{name: a, time_intervals: [{days_of_month: ['-1:-3']}]}]`,
      false,
    ],
    [
      "weekdays out of order",
      `${base}time_intervals: [{name: a, time_intervals: [{weekdays: ['saturday:sunday']}]}]`,
      false,
    ],
    [
      "times out of order",
      `${base}time_intervals: [{name: a, time_intervals: [{times: [{start_time: '12:00', end_time: '11:00'}]}]}]`,
      false,
    ],
    [
      "a day's last minute",
      `${base}time_intervals: [{name: a, time_intervals: [{times: [{start_time: '12:00', end_time: '24:00'}]}]}]`,
      true,
    ],
    [
      "a place that is none",
      `${base}time_intervals: [{name: a, time_intervals: [{location: 'Europe/Atlantis'}]}]`,
      false,
    ],
    [
      "months by name and number",
      `${base}time_intervals: [{name: a, time_intervals: [{months: ['january:3', 'may']}]}]`,
      true,
    ],
    [
      "both forms of inhibition",
      `${base}inhibit_rules: [{source_match: {a: b}, target_match_re: {c: 'd.*'}, equal: [x]}, {source_matchers: [a=b], target_matchers: [c=d]}]`,
      true,
    ],
    [
      "Slack without a place",
      "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{channel: a}]}]",
      false,
    ],
    [
      "PagerDuty without a key",
      "route: {receiver: r}\nreceivers: [{name: r, pagerduty_configs: [{}]}]",
      false,
    ],
    [
      "mail without a server",
      "route: {receiver: r}\nreceivers: [{name: r, email_configs: [{to: a@b.c, from: a@b.c}]}]",
      false,
    ],
    [
      "mail",
      "global: {smtp_smarthost: 'm:25', smtp_from: a@b.c}\nroute: {receiver: r}\nreceivers: [{name: r, email_configs: [{to: a@b.c}]}]",
      true,
    ],
    ["a duration that is none", "route: {receiver: r, group_wait: 5x}\nreceivers: [{name: r}]", false],
    [
      "ways that we do not have",
      "route: {receiver: r}\nreceivers: [{name: r, telegram_configs: [{bot_token: a, chat_id: 1}], sns_configs: [{topic_arn: a, sigv4: {}}]}]",
      true,
    ],
  ])("%s is judged the same", async (_, text, good) => {
    const path = join(directory, "case.yml");
    await writeFile(path, text);
    const theirsIs = await amtool("check-config", path).then(
      () => true,
      () => false,
    );
    const ours = parseYamlText("case.yml", text, ({ value, lineOf }) => readConfig(value, lineOf));
    expect({ theirs: theirsIs, ours: "value" in ours }).toEqual({ theirs: good, ours: good });
  });
});
