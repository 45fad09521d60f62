import { describe, expect, test } from "vitest";
import { fuzz, scraps } from "../../platform/testing/fuzz.js";
import { checkTemplate, renderText } from "./render-text.js";

const CORPUS = [
  '{{ $labels.instance | reReplaceAll "(.*):.*" "$1" | toUpper }} is {{ $value | humanizePercentage }}',
  '{{ with query "up" }}{{ . | first | label "a" }}{{ end }}{{ range $i, $s := query "up" | sortByLabel "a" }}{{ $s.Value }}{{ else }}none{{ end }}',
  '{{ define "t" }}{{ .arg0 }}{{ end }}{{ template "t" (args 1 "b" $labels) }}{{- if gt $value 0.5 -}} a {{- else if eq 1 2 }}{{ break }}{{ end }}',
  '{{ $x := printf "%5.2f|%-9s|%x" 1.5 "a" 255 }}{{ $x = slice $x 1 2 }}{{ index $labels "a" | len }}{{ /* c */ }}',
];
const PIECES = [
  ...[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "|",
    "(",
    ")",
    "$",
    ".",
    ":=",
    "=",
    ",",
    '"',
    "`",
    "'",
    "\\",
    "/*",
    "*/",
    " ",
  ],
  ...[
    "if ",
    "else",
    "end",
    "range ",
    "with ",
    "define ",
    "template ",
    "block ",
    "break",
    "continue",
    "nil",
    "true",
  ],
  ...[
    "$labels",
    "$value",
    "$x",
    ".Labels",
    "query ",
    "first ",
    "value ",
    "label ",
    "sortByLabel ",
    "printf ",
    "%s",
  ],
  ...[
    "%999999d",
    "%.999f",
    "%*d",
    "index ",
    "slice ",
    "args ",
    "match ",
    "title ",
    "toTime ",
    "humanizeTimestamp ",
  ],
  ...["externalURL", "1e309", "-1", "0x", '"("', '"a*"', "parseDuration ", "\u0000", "\ud800", "__proto__"],
];
const OUTPUT_MAX = 64 * 1024;
const context = {
  ...{ value: Number.NaN, labels: { instance: "a:1", a: "{{ . }}" }, now: 0 },
  ask: () => [
    { labels: { a: "1" }, timestamp: 0, value: 1 },
    { labels: {}, timestamp: 0, value: Number.POSITIVE_INFINITY },
  ],
};

describe("texts of rules that nobody would write", () => {
  fuzz(
    "are filled in or say why not, and are never long",
    scraps(CORPUS, PIECES),
    (text) => {
      const fault = checkTemplate(text);
      const said = renderText(text, context);
      if (text.includes("{{")) expect(said.length).toBeLessThanOrEqual(OUTPUT_MAX + 2_000);
      if (fault !== undefined && text.includes("{{")) expect(said).toMatch(/^<error expanding template: /);
    },
    6_000,
  );

  test.each([
    [
      "that call themselves",
      '{{define "r"}}{{template "r" .}}{{end}}{{template "r" .}}',
      "maximum template depth",
    ],
    [
      "that double",
      `{{$a := "0123456789"}}${"{{$a = print $a $a}}".repeat(60)}`,
      "longer than 65536 characters",
    ],
    ["that ask for width", "{{printf `%65000d` 1}}".repeat(200), "longer than 65536"],
    ["of a megabyte", "{{1}}".repeat(200_000), "at most 262144"],
    ["of blocks in blocks", `${"{{if true}}".repeat(2_000)}${"{{end}}".repeat(2_000)}`, "nested too deep"],
    [
      "with a pattern that does not end",
      '{{reReplaceAll "((a{1000}){1000}){1000}" "x" "y"}}',
      "expression too large",
    ],
  ])("%s end", (_, text, message) => {
    expect(renderText(text, context)).toMatch(/^<error expanding template: /);
    expect(renderText(text, context)).toContain(message);
  });
});
