/** Files and texts in YAML that nobody would write: each loader answers with a value or with faults, and never else. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseRuleFile } from "./alerting/domain/rule.js";
import { parseRuleTestFile } from "./alerting/domain/rule-test-file.js";
import { parsePolicy } from "./commands/domain/policy.js";
import { readConfig } from "./notification/domain/read-config.js";
import { fuzz, scraps } from "./platform/testing/fuzz.js";
import { type FileContent, type ParsedContent, parseYamlText } from "./platform/yaml-text.js";
import { parseRegions } from "./region/domain/parse-regions.js";
import { parseRemediation } from "./remediation/remediation.module.js";
import { parseTraffic } from "./traffic/domain/parse-traffic.js";

const CONFIG = join(import.meta.dirname, "../config");
const shipped = (name: string): string => readFileSync(join(CONFIG, name), "utf8");

/** What a shipped file shows in comments, for it declares nothing itself. */
const REGIONS = shipped("regions.yaml")
  .split("\n")
  .filter((line) => /^# +(?:regions:|- |[a-z]+:|to:|arguments:)/i.test(line))
  .map((line) => line.slice(2))
  .join("\n");

/** The shipped one declares nothing: this is its example. */
const TRAFFIC = shipped("traffic.yaml")
  .split("\n")
  .slice(3, -2)
  .map((line) => line.replace(/^# ?/, ""))
  .join("\n");

type Loader = (content: FileContent) => ParsedContent<unknown>;
const LOADERS: readonly (readonly [string, string, Loader])[] = [
  [
    "rules",
    shipped("alert-rules.yaml").slice(0, 3_000),
    (file) => parseRuleFile("f", file.asWritten(), file.lineOf),
  ],
  [
    "tests of rules",
    shipped("alert-rules.test.yml").slice(0, 3_000),
    (file) => parseRuleTestFile(file.value, file.lineOf),
  ],
  [
    "routes",
    `${shipped("alertmanager.yml")}time_intervals: [{name: n, time_intervals: [{weekdays: ["monday:friday"], location: Europe/Berlin}]}]\n`,
    (file) => readConfig(file.value, file.lineOf),
  ],
  [
    "policy",
    shipped("command-policy.yaml").slice(0, 3_000),
    (file) => {
      const parsed = parsePolicy(file.value);
      return "faults" in parsed ? { faults: parsed.faults } : { value: parsed };
    },
  ],
  [
    "remediation",
    shipped("remediation.yaml").slice(0, 3_000),
    (file) => parseRemediation(file.value, file.lineOf),
  ],
  ["regions", REGIONS, (file) => parseRegions(file.value, file.lineOf)],
  ["traffic", TRAFFIC, (file) => parseTraffic(file.value, file.lineOf)],
];

const PIECES = [
  ...[
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!!set ",
    "? ",
  ],
  ...[
    '"',
    "'",
    "|\n",
    ">-\n",
    "# ",
    "---\n",
    "...\n",
    "\t",
    "%YAML 1.1\n",
    "null",
    "~",
    "true",
    "1e999",
    "0x1F",
  ],
  ...[
    "groups",
    "rules",
    "alert",
    "record",
    "expr",
    "for",
    "labels",
    "route",
    "receivers",
    "matchers",
    "name",
  ],
  ...[
    "__proto__",
    "constructor",
    "5m",
    "-1",
    "2026-11-22",
    "\u0000",
    "\ud800",
    "\u0085",
    "é",
    '"\\ud800"',
    "{{",
  ],
];

describe.each(LOADERS)("a file of %s", (_, corpus, load) => {
  fuzz(
    "is read, or its faults are told with the file's name",
    scraps([corpus], PIECES),
    (text) => {
      const read = parseYamlText("f.yml", text, load);
      if ("faults" in read) {
        expect(read.faults.length).toBeGreaterThan(0);
        for (const fault of read.faults) expect(fault.startsWith("f.yml:")).toBe(true);
      }
    },
    400,
  );

  const letters = "abcdefghijk".split("");
  const bomb = `a: &a [x, x, x, x, x, x, x, x, x]\n${letters
    .slice(1)
    .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${letters[index]}`).join(", ")}]`)
    .join("\n")}\n`;
  test.each([
    ["brackets in brackets", `a: ${"[".repeat(20_000)}${"]".repeat(20_000)}`, "nested too deep"],
    ["brackets that are never closed", "[".repeat(100_000), "nested too deep"],
    ["lists in lists on one line", "- ".repeat(20_000), "nested too deep"],
    [
      "maps in maps",
      Array.from({ length: 2_000 }, (_, n) => `${" ".repeat(n)}a:`).join("\n"),
      "nested too deep",
    ],
    ["names for names for names", bomb, "Excessive alias count"],
    ["a key that comes twice", "a: 1\nb: 2\na: 3\n", "f.yml:3: Map keys must be unique"],
    ["more than a file holds", "- a\n".repeat(400_000), "more than 1000000 parts"],
  ])("of %s is refused", (_, text, message) => {
    const read = parseYamlText("f.yml", text, load);
    expect("faults" in read && read.faults.join("\n")).toContain(message);
  });

  test("of fifty thousand keys is read in one pass over them", () => {
    const keys = Array.from({ length: 50_000 }, (_, n) => `k${n}: ${n}`).join("\n");
    expect(parseYamlText("f.yml", keys, load)).toHaveProperty("faults");
  });
});

test("what looks like nesting within texts is none", () => {
  const text = `a: "${"[".repeat(1_000)}"\nb: |\n  ${"- ".repeat(1_000)}\n# ${"{".repeat(1_000)}\nc: '${": ".repeat(1_000)}'\n`;
  expect(parseYamlText("f.yml", text, ({ value }) => ({ value }))).toHaveProperty("value");
});
