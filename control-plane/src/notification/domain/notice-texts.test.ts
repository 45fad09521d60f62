import { describe, expect, test } from "vitest";
import { formatTime } from "../../kernel/template/go-time.js";
import { TemplateError } from "../../kernel/template/template-error.js";
import type { NoticeAlert, NoticeData } from "./notice-data.js";
import { readTexts } from "./notice-texts.js";

const at = Date.parse("2026-03-29T01:05:09.120Z");
const alert = (instance: string, status: NoticeAlert["status"]): NoticeAlert => ({
  fingerprint: `f-${instance}`,
  status,
  labels: { alertname: "Full", instance, zone: "eu" },
  annotations: { summary: `${instance} is full` },
  startsAt: at,
  ...(status === "resolved" ? { endsAt: at + 90_000 } : {}),
  generatorUrl: "http://p/g",
});
const data: NoticeData = {
  groupKey: "k",
  receiver: "a.b",
  groupLabels: { alertname: "Full" },
  alerts: [alert("x", "firing"), alert("y", "resolved")],
  truncatedAlerts: 0,
};

function fill(template: string, of = data, files = ""): string {
  const read = readTexts(files === "" ? [] : [{ path: "f", text: files }], "http://h");
  if ("faults" in read) throw new Error(read.faults.join());
  return read.value.filler(of, at + 60_000).text(template);
}

describe("a notice's texts", () => {
  test.each([
    ['{{ template "slack.default.title" . }}', "[FIRING:1] Full (eu)"],
    ['{{ template "slack.default.titlelink" . }}', "http://h/#/alerts?receiver=a%5C.b"],
    ["{{ .CommonLabels.SortedPairs.Names | join `,` }} {{ len .CommonLabels }}", "alertname,zone 2"],
    ["{{ (index .Alerts 1).Labels.instance }} {{ (index .Alerts 1).Status }}", "y resolved"],
    ["{{ range .Alerts.Resolved }}{{ .Annotations.summary | title }}{{ end }}", "Y Is Full"],
    [
      "{{ range .Alerts }}{{ .StartsAt.Format `15:04:05.000` }} {{ .EndsAt.IsZero }};{{ end }}",
      "01:05:09.120 true;01:05:09.120 false;",
    ],
    [
      "{{ (index .Alerts 0).StartsAt | tz `Europe/Berlin` | date `Mon, 02 Jan 2006 15:04 MST -07:00` }}",
      "Sun, 29 Mar 2026 03:05 GMT+2 +02:00",
    ],
    [
      "{{ since (index .Alerts 0).StartsAt }} {{ since (index .Alerts 0).StartsAt | humanizeDuration }}",
      "1m0s 1m 0s",
    ],
    ["{{ (index .Alerts 1).EndsAt.Sub (index .Alerts 1).StartsAt }}", "1m30s"],
    [
      "{{ .GroupLabels | toJson }} {{ dict `a` 1 `b` (list `x`) | toJson }}",
      '{"alertname":"Full"} {"a":1,"b":["x"]}',
    ],
    [
      "{{ reReplaceAll `(x)(.*)` `$2-$1` `xyz` }} {{ match `^y` `xyz` }} {{ match `y.$` `xyz` }}",
      "yz-x false true",
    ],
    ["{{ join `-` (stringSlice `a` `b`) }} {{ trimSpace ` a ` }} {{ urlUnescape `a%20b` }}", "a-b a a b"],
    [
      "{{ if match `^F` .GroupLabels.alertname }}{{ .CommonLabels.Remove (stringSlice `zone`) }}{{ end }}",
      "map[alertname:Full]",
    ],
    ["{{ with .Labels }}x{{ else }}none{{ end }}", "none"],
  ])("%s", (template, expected) => {
    expect(fill(template)).toBe(expected);
  });

  test("say what is over without a count", () => {
    const over = { ...data, alerts: [alert("y", "resolved")] };
    expect(fill('{{ template "email.default.subject" . }}', over)).toBe("[RESOLVED] Full (y eu)");
  });

  test("may be replaced by a file's, and what is wrong in a file is said with its path", () => {
    expect(
      fill(
        '{{ template "slack.default.title" . }}',
        data,
        '{{ define "__subject" }}own {{ .Status }}{{ end }}',
      ),
    ).toBe("own firing");
    expect(readTexts([{ path: "a.tmpl", text: "{{ define }}" }], "")).toEqual({
      faults: ["a.tmpl: template: {{define}} needs a name in quotes"],
    });
  });

  test.each([
    [
      "{{ range .Alerts }}{{ range $.Alerts }}{{ template `t` $ }}{{ end }}{{ end }}",
      "exceeded maximum template depth",
    ],
    [
      "{{ reReplaceAll `(` `` `a` }}",
      "error calling reReplaceAll: error parsing regexp: missing closing ): `(`",
    ],
    ["{{ .Alerts.Firing.x }}", "can't evaluate field x in this value"],
  ])("%s ends", (template, message) => {
    expect(() => fill(template, data, "{{ define `t` }}{{ template `t` . }}{{ end }}")).toThrow(
      new TemplateError(message),
    );
  });

  test("an expression made to run for years ends at once", () => {
    const started = performance.now();
    expect(fill(`{{ match "(a+)+$" "${"a".repeat(4_000)}b" }}`)).toBe("false");
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

test.each([
  ["Monday, January 2 2006", "Sunday, March 29 2026"],
  ["06-1-2 3:4:5PM", "26-3-29 1:5:9AM"],
  ["2006-01-02T15:04:05.999Z07:00", "2026-03-29T01:05:09.12Z"],
  ["Jan _2 03:04 pm -0700", "Mar 29 01:05 am +0000"],
])("the layout %s gives %s", (layout, expected) => {
  expect(formatTime(at, "UTC", layout)).toBe(expected);
});
