import { describe, expect, test } from "vitest";
import { checkTemplate, renderText } from "./render-text.js";

const render = (text: string, value = 0.1234, labels = {}) =>
  renderText(text, { value, labels: { instance: "web-1:9100", ...labels }, now: 0 });

describe("a template", () => {
  test.each([
    ["plain text", "plain text"],
    ["{{ $value }} on {{ $labels.instance }}", "0.1234 on web-1:9100"],
    ["{{ .Value }}/{{ .Labels.instance }}", "0.1234/web-1:9100"],
    ["{{ $labels.absent }}!", "!"],
    ["{{ $value | humanizePercentage }}", "12.34%"],
    ["{{ humanizePercentage $value }}", "12.34%"],
    ['{{ printf "%.1f %s %d%%" $value $labels.instance 3 }}', "0.1 web-1:9100 3%"],
    ['{{ $value | printf "%05.2f" }}', "00.12"],
    ["a {{- /* said */ -}} b", "ab"],
    ["{{ if gt $value 0.5 }}much{{ else if gt $value 0.1 }}some{{ else }}little{{ end }}", "some"],
    ['{{ if and (eq $labels.instance "web-1:9100") (not false) }}yes{{ end }}', "yes"],
    ["{{ $labels.instance | stripPort | toUpper }}", "WEB-1"],
    ['{{ reReplaceAll "(.*):.*" "$1" $labels.instance }}', "web-1"],
    ['{{ "}}" }}', "}}"],
    ["{{ $labels }}", "map[instance:web-1:9100]"],
  ])("%s gives %s", (text, expected) => {
    expect(render(text)).toBe(expected);
  });

  test.each([
    ["humanize", 1234567, "1.235M"],
    ["humanize", 0, "0"],
    ["humanize", 0.00123, "1.23m"],
    ["humanize", -1500, "-1.5k"],
    ["humanize", Number.POSITIVE_INFINITY, "+Inf"],
    ["humanize1024", 1536, "1.5ki"],
    ["humanize1024", 1, "1"],
    ["humanizeDuration", 0, "0s"],
    ["humanizeDuration", 0.5, "500ms"],
    ["humanizeDuration", 5.5, "5.5s"],
    ["humanizeDuration", 90, "1m 30s"],
    ["humanizeDuration", 604800, "7d 0h 0m 0s"],
    ["humanizeDuration", -3661, "-1h 1m 1s"],
    ["humanizePercentage", 0.00009, "0.009%"],
    ["humanizePercentage", Number.NaN, "NaN%"],
    ["humanizeTimestamp", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC"],
    ["humanizeTimestamp", 951782400, "2000-02-29 00:00:00 +0000 UTC"],
  ])("%s of %d is %s", (name, value, expected) => {
    expect(render(`{{ ${name} $value }}`, value)).toBe(expected);
  });

  test.each([
    ["{{ nonsense $value }}", 'template: function "nonsense" not defined'],
    ["{{ $value", "template: unclosed action"],
    ["{{ if true }}x", "template: unexpected EOF"],
    ["x{{ end }}", "template: unexpected {{end}}"],
    ["{{ }}", "template: missing value for command"],
    ["{{ $labels.a ; }}", 'template: unexpected ";" in action'],
  ])("%s is refused: %s", (text, message) => {
    expect(checkTemplate(text)).toBe(message);
  });

  test("that fails while it is filled in says so in its place", () => {
    expect(render("{{ humanize $labels.instance }}")).toBe(
      "<error expanding template: error calling humanize: wrong arguments>",
    );
  });

  test("never runs what a label says", () => {
    expect(render("{{ $labels.instance }}", 1, { instance: '{{ "x" | toUpper }}' })).toBe(
      '{{ "x" | toUpper }}',
    );
  });

  test("names where it comes from", () => {
    const context = {
      labels: {},
      value: 1,
      now: 0,
      externalLabels: { cluster: "eu-1" },
      externalUrl: "https://ops.example",
    };
    expect(
      renderText("{{ $externalLabels.cluster }} {{ .ExternalLabels.cluster }} {{ $externalURL }}", context),
    ).toBe("eu-1 eu-1 https://ops.example");
  });
});
