/** Texts of rules that query: the same words in our runner and in promtool, where it is installed. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "./run.js";

const execute = promisify(execFile);
const PROMTOOL = "/usr/bin/promtool";

/** A text, and what it says of the alert of instance a. */
const TEXTS: readonly (readonly [string, string])[] = [
  ['{{ with query "vector(3)" }}{{ . | first | value }}{{ end }}', "3"],
  [`{{ query "sort(size)" | first | label "instance" }}`, "b"],
  [
    `{{ range query "size" | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }} {{ end }}`,
    "a=10 b=5 ",
  ],
  [`{{ printf "size{instance='%s'}" $labels.instance | query | first | value | humanize }}`, "10"],
  [
    `{{ $top := printf "topk(1, size{instance!='%s'})" $labels.instance | query | first }}{{ printf "up{instance='%s'}" $top.Labels.instance | query | first | value }}`,
    "1",
  ],
  ['{{ query "absent_metric" | len }}', "0"],
  ['{{ if query "absent_metric" }}some{{ else }}none{{ end }}', "none"],
  ['{{ query "size" | first | strvalue }}!', "!"],
  ['{{ (query "count(size)" | first).Labels.nothing }}!', "!"],
  ["{{ graphLink \"up{job='a b'}\" }}", "/graph?g0.expr=up%7Bjob%3D%27a+b%27%7D&g0.tab=0"],
  ['{{ tableLink "up == 0" }}', "/graph?g0.expr=up+%3D%3D+0&g0.tab=1"],
  ["{{ $externalURL }} {{ $externalLabels.cluster }}", "http://house.example/mainstay north"],
  ["{{ 1435065584.128 | humanizeTimestamp }}", "2015-06-23 13:19:44.128 +0000 UTC"],
  ["{{ (1435065584.128 | toTime).Year }}", "2015"],
  ['{{ define "one" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template "one" (args 1 "b") }}', "1-b"],
];

const RULES = `groups:
  - name: texts
    rules:
${TEXTS.map(
  ([text], index) => `      - alert: Text${index}
        expr: size > 8
        labels:
          others: '{{ query "count(size)" | first | value }}'
        annotations:
          said: ${JSON.stringify(text)}`,
).join("\n")}
`;

const TESTS = (rules: string) => `rule_files: [${rules}]
tests:
  - interval: 1m
    external_labels: {cluster: north}
    external_url: http://house.example/mainstay
    input_series:
      - {series: 'size{instance="a"}', values: 10x9}
      - {series: 'size{instance="b"}', values: 5x9}
      - {series: 'up{instance="a"}', values: 0x9}
      - {series: 'up{instance="b"}', values: 1x9}
    alert_rule_test:
${TEXTS.map(
  ([, said], index) => `      - eval_time: 5m
        alertname: Text${index}
        exp_alerts:
          - exp_labels: {instance: a, others: "2"}
            exp_annotations: {said: ${JSON.stringify(said)}}`,
).join("\n")}
`;

describe("texts that query", () => {
  let folder: string;
  let file: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "mainstay-texts-"));
    file = join(folder, "t.yml");
    writeFileSync(join(folder, "r.yml"), RULES);
    writeFileSync(file, TESTS("r.yml"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("say what they should", async () => {
    const told: string[] = [];
    const code = await run(["rules", "test", file], {
      env: {},
      workingDirectory: folder,
      home: folder,
      write: (text) => void told.push(text),
      warn: (text) => void told.push(text),
      now: () => 0,
      signal: new AbortController().signal,
    });
    expect({ code, told: told.join("\n") }).toEqual({ code: 0, told: expect.stringContaining("SUCCESS") });
  });

  test.runIf(existsSync(PROMTOOL))("say the same in promtool", async () => {
    const { stdout } = await execute(PROMTOOL, ["test", "rules", file]);
    expect(stdout).toContain("SUCCESS");
  });
});
