import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseYamlText } from "../../platform/yaml-text.js";
import { everyRoute, readConfig } from "./read-config.js";
import { redactConfig } from "./redact-config.js";

const read = (text: string) =>
  parseYamlText("am.yml", text, ({ value, lineOf }) => readConfig(value, lineOf));

const WHOLE = `global:
  smtp_smarthost: mail.example.com:587
  smtp_from: house@example.com
  slack_api_url_file: /run/slack
  pagerduty_url: https://events.example.com/v2/enqueue
  http_config: {authorization: {credentials: t0ken}}
route:
  receiver: team
  group_by: [alertname, node]
  group_wait: 10s
  routes:
    - matchers: [severity="critical"]
      receiver: pager
      group_by: ["..."]
      repeat_interval: 30m
      routes:
        - match: {team: db}
          active_time_intervals: [office]
    - receiver:
      continue: true
      mute_time_intervals: [night]
receivers:
  - name: team
    slack_configs: [{channel: "#ops"}]
    email_configs: [{to: ops@example.com, headers: {subject: "own {{ .Status }}"}}]
  - name: pager
    pagerduty_configs: [{routing_key_file: key, details: {firing: "x", more: "y"}}]
    telegram_configs: [{bot_token: a, chat_id: 1}]
  - name: nobody
inhibit_rules:
  - {source_match: {a: b}, target_match_re: {c: "d|e"}, equal: [node]}
mute_time_intervals:
  - {name: night, time_intervals: [{times: [{start_time: "22:00", end_time: "24:00"}], location: Europe/Berlin}]}
time_intervals:
  - {name: office, time_intervals: [{weekdays: ["monday:friday"], months: [march:5], years: ["2026"], days_of_month: ["1:15", "-3:-1"]}]}
templates: ["*.tmpl"]
`;

describe("a whole file", () => {
  const parsed = read(WHOLE);
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  const config = parsed.value;

  test("gives routes that inherit what they do not say", () => {
    expect(
      everyRoute(config.route).map(
        ({ key, receiver, groupBy, groupWait, groupInterval, repeatInterval, muteIn, activeIn }) => [
          ...[key, receiver, groupBy, groupWait, groupInterval, repeatInterval, muteIn, activeIn],
        ],
      ),
    ).toEqual([
      ["{}", "team", ["alertname", "node"], 10_000, 300_000, 14_400_000, [], []],
      ['{}/{severity="critical"}', "pager", "all", 10_000, 300_000, 1_800_000, [], []],
      ['{}/{severity="critical"}/{team="db"}', "pager", "all", 10_000, 300_000, 1_800_000, [], ["office"]],
      ["{}/{}", "team", ["alertname", "node"], 10_000, 300_000, 14_400_000, ["night"], []],
    ]);
  });

  test("gives receivers with defaults of the file and of Alertmanager, and no secret when it is printed", () => {
    const [team, pager, nobody] = config.receivers;
    expect(team?.integrations.map(({ key, sendResolved }) => [key, sendResolved])).toEqual([
      ["slack[0]", false],
      ["email[0]", false],
    ]);
    expect(team?.integrations[0]?.settings).toMatchObject({
      url: { kind: "file", path: "/run/slack" },
      texts: { channel: "#ops", username: '{{ template "slack.default.username" . }}' },
      http: { authorization: { type: "Bearer" } },
    });
    expect(team?.integrations[1]?.settings).toMatchObject({
      smarthost: { host: "mail.example.com", port: 587 },
      requireTls: true,
      headers: { Subject: "own {{ .Status }}" },
    });
    expect(pager?.integrations.map(({ key, settings }) => `${key} ${settings.kind}`)).toEqual([
      "pagerduty[0] pagerduty",
      "telegram[0] unbuilt",
    ]);
    expect(pager?.integrations[0]?.settings).toMatchObject({
      url: "https://events.example.com/v2/enqueue",
      details: { firing: "x", more: "y", num_firing: "{{ .Alerts.Firing | len }}" },
    });
    expect(nobody?.integrations.map(({ key }) => key)).toEqual(["journal[0]"]);
    expect(JSON.stringify(config)).not.toContain("t0ken");
    expect(`${JSON.stringify(config)}`).toContain("<secret>");
  });

  test("says what it asks for and does not get", () => {
    expect(config.warnings).toEqual([
      expect.stringMatching(/^28: receivers\.1\.telegram_configs\.0: telegram is not built/),
    ]);
  });
});

const base = "route:\n  receiver: r\nreceivers:\n  - name: r\n";
describe("a fault is told with its line", () => {
  test.each([
    [
      "route:\n  receiver: x\nreceivers:\n  - name: r\n",
      'am.yml:2: route.receiver: undefined receiver "x" used in route',
    ],
    [
      `${base}    webhook_configs:\n      - url: ftp://x\n`,
      "am.yml:6: receivers.0.webhook_configs.0.url: unsupported scheme or missing host for URL: expected http://… or https://…",
    ],
    [
      `${base}    webhook_configs:\n      - {url: http://x, url_file: y}\n`,
      "am.yml:6: receivers.0.webhook_configs.0: exactly one of url and url_file must be configured",
    ],
    [
      `${base}    webhook_configs:\n      - {url: http://x, typo: y}\n`,
      "am.yml:6: receivers.0.webhook_configs.0: field typo not found",
    ],
    [
      `${base}    webhook_configs:\n      - url: http://x\n        http_config: {proxy_url: http://p}\n`,
      "am.yml:7: receivers.0.webhook_configs.0.http_config.proxy_url: is not built",
    ],
    [
      `${base}    email_configs:\n      - {to: a@b.c, from: a@b.c, smarthost: mail}\n`,
      'am.yml:6: receivers.0.email_configs.0.smarthost: "mail" is not an address with a port, such as mail.example.com:587',
    ],
    [
      `${base}time_intervals:\n  - name: a\n    time_intervals:\n      - months: [smarch]\n`,
      'am.yml:8: time_intervals.0.time_intervals.0.months.0: "smarch" is not a valid month',
    ],
    [
      "route:\n  receiver: r\n  group_wait: 5 minutes\nreceivers: [{name: r}]\n",
      'am.yml:3: route.group_wait: not a valid duration string: "5 minutes"',
    ],
    [
      "route:\n  receiver: r\n  routes:\n    - matchers: ['a=~\"(\"']\nreceivers: [{name: r}]\n",
      "am.yml:4: route.routes.0.matchers.0: a: error parsing regexp: missing closing ): `(`",
    ],
    ["receivers: []\n", "am.yml:1: the file: no routes provided"],
    [
      `${base}    datadog_configs:\n      - {site: "evil/x", api_key: k}\n`,
      'am.yml:6: receivers.0.datadog_configs.0.site: "evil/x" is not a site of Datadog, such as datadoghq.eu',
    ],
    [
      `${base}    datadog_configs:\n      - {site: datadoghq.eu}\n`,
      "am.yml:6: receivers.0.datadog_configs.0: missing api_key or api_key_file in Datadog config",
    ],
    [
      `${base}    otlp_configs:\n      - {headers: {api-key: k}}\n`,
      "am.yml:6: receivers.0.otlp_configs.0: exactly one of url and url_file must be configured",
    ],
  ])("%j", (text, fault) => {
    expect(read(text)).toEqual({ faults: [fault] });
  });

  test("name no secret, and what is shown of a file holds none", () => {
    const secret = "s3cret-key";
    const ways = `${base}    datadog_configs:\n      - {api_key: ${secret}}\n    otlp_configs:\n      - {url: "http://x/${secret}", headers: {a: ${secret}}, body: [1]}\n`;
    const refused = read(ways);
    expect("faults" in refused && refused.faults.join()).not.toContain(secret);
    const shown = parseYamlText("am.yml", ways, ({ value }) => ({ value: redactConfig(value) }));
    expect(JSON.stringify(shown)).not.toContain(secret);
  });

  test("of a file that is no file of this kind too", () => {
    for (const text of ["", "[]", "a", "&a [*a]", `${"a: [".repeat(3_000)}`])
      expect(read(text)).toHaveProperty("faults");
  });

  test("of whatever is put in a part's place, and never as something thrown", () => {
    const keys = [
      "route",
      "receivers",
      "inhibit_rules",
      "time_intervals",
      "global",
      "matchers",
      "group_by",
      "times",
      "name",
    ];
    const part = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 1 })),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), fc.oneof(part, fc.array(part))), (content) => {
        const answer = readConfig(content, () => 1);
        expect("value" in answer || answer.faults.length > 0).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});
