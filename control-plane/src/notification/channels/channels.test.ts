import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../platform/system.js";
import {
  DATADOG_DEFAULTS,
  type DatadogSettings,
  type EmailSettings,
  type HttpSettings,
  OTLP_DEFAULTS,
  type OtlpSettings,
  type TemplateWebhookSettings,
} from "../domain/channel-settings.js";
import type { NoticeData } from "../domain/notice-data.js";
import { type NoticeTexts, readTexts } from "../domain/notice-texts.js";
import { Secret, type SecretSource } from "../domain/secret.js";
import { type Listener, openListener } from "../testing/listener.js";
import { openChannel } from "./open-channel.js";

const data: NoticeData = {
  groupKey: '{}:{alertname="<b>Full"}',
  receiver: "team",
  groupLabels: { alertname: "<b>Full" },
  truncatedAlerts: 0,
  alerts: [
    {
      fingerprint: "0000000000000001",
      status: "firing",
      labels: { alertname: "<b>Full", instance: "a\r\nBcc: x@y.z" },
      annotations: { summary: "{{ .Labels }} & co" },
      startsAt: Date.parse("2026-11-22T14:00:00Z"),
      generatorUrl: "http://p/graph?a=1&b=2",
    },
  ],
};

function textsOf(text = ""): NoticeTexts {
  const read = readTexts(text === "" ? [] : [{ path: "own.tmpl", text }], "http://house.example");
  if ("faults" in read) throw new Error(read.faults.join());
  return read.value;
}

const plain = (text: string): SecretSource => ({ kind: "text", secret: new Secret(text) });
const http: HttpSettings = { followRedirects: true };
const files: Record<string, string> = { "/key": "from-the-file\n" };
const ports = {
  clock: systemClock,
  readFile: async (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
    return text;
  },
};
const send = (settings: Parameters<typeof openChannel>[0], texts = textsOf()) =>
  openChannel(settings, ports)({ id: "n-1", data, texts }, new AbortController().signal);

describe("over HTTP", () => {
  let ear: Listener;
  beforeAll(async () => {
    ear = await openListener();
  });
  afterEach(() => {
    ear.heard.length = 0;
    ear.answer = () => ({ status: 200 });
  });
  afterAll(() => ear.close());
  const webhook = (more: Partial<{ http: HttpSettings; url: SecretSource }> = {}) =>
    send({ kind: "webhook", url: plain(`${ear.url}/k3y`), http, maxAlerts: 0, ...more });

  test.each([
    [
      "a name and password",
      { basicAuth: { username: "ann", password: plain("pw") } },
      `Basic ${Buffer.from("ann:pw").toString("base64")}`,
    ],
    ["a token", { authorization: { type: "Bearer", credentials: plain("t0ken") } }, "Bearer t0ken"],
    [
      "a token of a file",
      { authorization: { type: "Token", credentials: { kind: "file" as const, path: "/key" } } },
      "Token from-the-file",
    ],
  ])("%s are shown", async (_, credentials, expected) => {
    expect(await webhook({ http: { ...http, ...credentials } })).toEqual({
      kind: "delivered",
      answer: "HTTP 200",
    });
    expect(ear.heard[0]?.headers.authorization).toBe(expected);
  });

  test("a redirect that keeps the method is followed, and credentials stay where they belong", async () => {
    const elsewhere = await openListener();
    ear.answer = () => ({ status: 307, headers: { location: `${elsewhere.url}/there` } });
    const credentials = { authorization: { type: "Bearer", credentials: plain("t0ken") } };
    expect((await webhook({ http: { ...http, ...credentials } })).kind).toBe("delivered");
    expect(elsewhere.heard[0]?.headers.authorization).toBeUndefined();
    expect(JSON.parse(elsewhere.heard[0]?.body ?? "")).toMatchObject({ version: "4" });
    expect(await webhook({ http: { followRedirects: false } })).toMatchObject({
      kind: "refused",
      answer: "HTTP 307",
    });
    await elsewhere.close();
  });

  test("nobody there, a line that is cut, and a file that is missing are failures without the URL", async () => {
    ear.answer = () => undefined;
    const port = new URL(ear.url).port;
    expect(await webhook()).toEqual({ kind: "failed", answer: `127.0.0.1:${port}: ECONNRESET` });
    expect(await webhook({ url: plain("http://127.0.0.1:1/k3y") })).toEqual({
      kind: "failed",
      answer: "127.0.0.1:1: ECONNREFUSED",
    });
    expect(await webhook({ url: { kind: "file", path: "/absent" } })).toEqual({
      kind: "failed",
      answer: "ENOENT: /absent",
    });
    expect(await webhook({ url: plain("ftp://x/k3y") })).toMatchObject({ kind: "refused" });
  });

  test("an endless answer is read only so far", async () => {
    ear.answer = () => ({ status: 500, body: "x".repeat(5_000_000) });
    const answer = await webhook();
    expect(answer).toMatchObject({ kind: "failed" });
    expect(answer.answer.length).toBeLessThan(300);
  });

  const template: TemplateWebhookSettings = {
    ...{ kind: "template-webhook", url: plain(""), http, method: "PUT", contentType: "application/json" },
    headers: { "X-Group": "{{ .GroupLabels.alertname }}\n" },
    body: '{"text":{{ printf "%s: %d" .CommonAnnotations.summary (len .Alerts) | toJson }}}',
  };

  test("a request of any shape is filled in", async () => {
    expect((await send({ ...template, url: plain(`${ear.url}/any`) })).kind).toBe("delivered");
    expect(ear.heard[0]).toMatchObject({
      body: '{"text":"{{ .Labels }} & co: 1"}',
      headers: { "x-group": "<b>Full" },
    });
    expect(await send({ ...template, url: plain(ear.url), body: "{{ .Status }}" })).toMatchObject({
      kind: "refused",
    });
    await expect(send({ ...template, url: plain(ear.url), body: "{{ .Alerts.Nope }}" })).rejects.toThrow(
      "can't evaluate field Nope",
    );
  });

  const otlp = (more: Partial<OtlpSettings> = {}): OtlpSettings => ({
    ...{ kind: "otlp", url: plain(`${ear.url}/base?k3y=1`), http, headers: { "api-key": plain("0tlp-key") } },
    ...{ resource: { "service.name": "mainstay", team: "ops" }, body: "{{ .Status }} {{ len .Alerts }}" },
    ...{ severity: OTLP_DEFAULTS.severity },
    ...more,
  });

  test("log records over OTLP: one for each alert, with its labels", async () => {
    expect((await send(otlp())).kind).toBe("delivered");
    const [heard] = ear.heard;
    expect(heard).toMatchObject({
      path: "/base/v1/logs?k3y=1",
      headers: { "content-type": "application/json", "api-key": "0tlp-key" },
    });
    const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });
    expect(JSON.parse(heard?.body ?? "")).toEqual({
      resourceLogs: [
        {
          resource: { attributes: [attribute("service.name", "mainstay"), attribute("team", "ops")] },
          scopeLogs: [
            {
              scope: { name: "mainstay.notification" },
              logRecords: [
                {
                  timeUnixNano: `${Date.parse("2026-11-22T14:00:00Z")}000000`,
                  observedTimeUnixNano: expect.stringMatching(/^\d{19}$/),
                  ...{ severityNumber: 13, severityText: "WARN", eventName: "mainstay.alert.firing" },
                  body: { stringValue: "firing 1" },
                  attributes: expect.arrayContaining([
                    attribute("mainstay.alert.label.alertname", "<b>Full"),
                    attribute("mainstay.alert.annotation.summary", "{{ .Labels }} & co"),
                    attribute("mainstay.alert.fingerprint", "0000000000000001"),
                    attribute("mainstay.notice.id", "n-1"),
                  ]),
                },
              ],
            },
          ],
        },
      ],
    });
  });

  test("a collector that rejects the records, that is busy, and that repeats the key", async () => {
    const rejected = { partialSuccess: { rejectedLogRecords: "1", errorMessage: "too long" } };
    ear.answer = () => ({ status: 200, body: JSON.stringify(rejected) });
    expect(await send(otlp())).toEqual({ kind: "refused", answer: "1 records were rejected: too long" });
    ear.answer = () => ({ status: 200, body: '{"partialSuccess":{}}' });
    expect((await send(otlp({ url: plain(`${ear.url}/v1/logs`) }))).kind).toBe("delivered");
    expect(ear.heard.at(-1)?.path).toBe("/v1/logs");
    ear.answer = () => ({ status: 503, headers: { "retry-after": "7" }, body: "no 0tlp-key" });
    const busy = { kind: "failed", answer: "HTTP 503: no <secret>", retryAfter: 7_000 };
    expect(await send(otlp())).toEqual(busy);
    expect(await send(otlp({ severity: "loud" }))).toMatchObject({ kind: "refused" });
  });

  test("an event for Datadog: one aggregation key a group, its labels as tags, the key never repeated", async () => {
    const datadog: DatadogSettings = {
      ...{ kind: "datadog", url: plain(`${ear.url}/api/v1/events`), apiKey: plain("dd-s3cret"), http },
      ...{
        texts: { ...DATADOG_DEFAULTS, text: "x".repeat(5_000) },
        tags: ["team:ops", "{{ .CommonLabels.absent }}"],
      },
    };
    ear.answer = () => ({ status: 202, body: '{"status":"ok"}' });
    expect((await send(datadog)).kind).toBe("delivered");
    expect(ear.heard[0]).toMatchObject({ path: "/api/v1/events", headers: { "dd-api-key": "dd-s3cret" } });
    const event: unknown = JSON.parse(ear.heard[0]?.body ?? "");
    expect(event).toMatchObject({
      title: expect.stringContaining("[FIRING:1] <b>Full"),
      ...{ alert_type: "warning", priority: "normal" },
      tags: ["alertname:<b>Full", "team:ops", "source:mainstay"],
      aggregation_key: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(event).toMatchObject({ text: expect.stringMatching(/^x{3999}…$/) });
    ear.answer = () => ({ status: 403, body: '{"errors":["Forbidden: dd-s3cret"]}' });
    expect(await send(datadog)).toEqual({
      kind: "refused",
      answer: 'HTTP 403: {"errors":["Forbidden: <secret>"]}',
    });
  });

  test("Slack's own no is a no, though it comes with a 200", async () => {
    const settings = {
      ...{ kind: "slack" as const, url: plain(ear.url), http, fields: [], actions: [], shortFields: false },
      ...{ linkNames: false, markdownIn: [] },
      texts: { ...emptySlack, title: '{{ template "slack.default.title" . }}' },
    };
    const json = { "content-type": "application/json; charset=utf-8" };
    ear.answer = () => ({ status: 200, headers: json, body: '{"ok":false,"error":"channel_not_found"}' });
    expect(await send(settings)).toEqual({ kind: "refused", answer: "Slack: channel_not_found" });
    ear.answer = () => ({ status: 200, headers: json, body: '{"ok":false,"error":"ratelimited"}' });
    expect((await send(settings)).kind).toBe("failed");
    ear.answer = () => ({ status: 200, headers: json, body: '{"ok":true}' });
    expect((await send(settings)).kind).toBe("delivered");
  });
});

const emptySlack = {
  ...{ channel: "", username: "", color: "", title: "", title_link: "", pretext: "", text: "", fallback: "" },
  ...{ callback_id: "", icon_emoji: "", icon_url: "", image_url: "", thumb_url: "", footer: "" },
};

describe("by mail", () => {
  interface HeardMail {
    readonly user: string | undefined;
    readonly secure: boolean;
    readonly text: string;
  }
  const heard: HeardMail[] = [];
  let server: SMTPServer;
  let port: number;
  let refuse: number | undefined;
  beforeAll(async () => {
    server = new SMTPServer({
      authOptional: true,
      onAuth: ({ username, password }, _, done) => {
        if (username === "ann" && password === "from-the-file") done(null, { user: "ann" });
        else done(new Error("Invalid username or password"));
      },
      onData: (stream, session, done) => {
        const parts: Buffer[] = [];
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("end", () => {
          const text = Buffer.concat(parts).toString("utf8");
          heard.push({
            user: session.user === undefined ? undefined : String(session.user),
            secure: session.secure,
            text,
          });
          done(refuse === undefined ? null : Object.assign(new Error("not now"), { responseCode: refuse }));
        });
      },
    });
    server.listen(0, "127.0.0.1");
    await once(server.server, "listening");
    ({ port } = server.server.address() as AddressInfo);
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));
  afterEach(() => {
    heard.length = 0;
    refuse = undefined;
  });

  const settings = (more: Partial<EmailSettings> = {}): EmailSettings => ({
    kind: "email",
    to: "ops@example.com, {{ .GroupLabels.alertname | len }}@example.com",
    from: "house@example.com",
    smarthost: { host: "127.0.0.1", port },
    hello: "house.example",
    username: "ann",
    password: { kind: "file", path: "/key" },
    requireTls: true,
    // The test's server shows a certificate of its own.
    tls: { insecureSkipVerify: true },
    headers: {
      Subject: '{{ template "email.default.subject" . }}',
      "X-Instance": "{{ .CommonLabels.instance }}",
    },
    html: '{{ template "email.default.html" . }}',
    text: "{{ .Status }}",
    ...more,
  });
  const decoded = (mail: HeardMail | undefined): string =>
    (mail?.text ?? "")
      .replace(/=\r\n/g, "")
      .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

  test("it is sent with STARTTLS and a login; what labels hold is text in it and no markup, and makes no header", async () => {
    expect(await send(settings())).toEqual({ kind: "delivered", answer: "taken by the mail server" });
    const [mail] = heard;
    expect(mail).toMatchObject({ user: "ann", secure: true });
    const text = decoded(mail);
    expect(text).toContain("Subject: [FIRING:1] <b>Full");
    expect(text).toContain("Message-ID: <n-1@example.com>");
    expect(text).toContain("<b>instance</b> = a\r\nBcc: x@y.z<br>");
    expect(text).toContain("&lt;b&gt;Full");
    expect(text).toContain('href="http://p/graph?a=1&amp;b=2"');
    expect(text.split("\r\n\r\n")[0]).toContain("X-Instance: a Bcc: x@y.z");
    expect(text.split("\r\n\r\n")[0]).not.toMatch(/^Bcc:/m);
  });

  test("a login that is refused is final, a 4xx comes again, a 5xx does not", async () => {
    expect(await send(settings({ password: plain("wrong-word") }))).toMatchObject({
      kind: "refused",
      answer: expect.not.stringContaining("wrong-word"),
    });
    refuse = 451;
    expect(await send(settings())).toMatchObject({ kind: "failed", answer: "EMESSAGE, SMTP 451" });
    refuse = 550;
    expect(await send(settings())).toMatchObject({ kind: "refused" });
    expect((await send(settings({ smarthost: { host: "127.0.0.1", port: 1 } }))).kind).toBe("failed");
  });

  test("a certificate that nobody vouches for is not trusted", async () => {
    const answer = await send(settings({ tls: { insecureSkipVerify: false } }));
    expect(answer.kind).not.toBe("delivered");
    expect(heard).toEqual([]);
  });
});
