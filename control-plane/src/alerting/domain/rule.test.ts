import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MINUTE } from "../../kernel/time.js";
import { parseYamlText } from "../../platform/policy-file.js";
import { parseRuleFile } from "./rule.js";

const parse = (text: string) =>
  parseYamlText("r.yaml", text, ({ asWritten, lineOf }) => parseRuleFile("r.yaml", asWritten(), lineOf));
const faults = (text: string) => {
  const parsed = parse(text);
  return "faults" in parsed ? parsed.faults : [];
};

describe("a rule file", () => {
  test("the runbook's eight rules load unchanged", () => {
    const parsed = parse(readFileSync(new URL("../../../config/alert-rules.yaml", import.meta.url), "utf8"));
    if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
    const [group] = parsed.value;
    expect(group?.interval).toBe(30_000);
    expect(group?.rules.map((rule) => rule.name)).toEqual([
      "HighErrorRate",
      "HighResponseTime",
      "DatabaseConnectionPoolExhaustion",
      "RedisMemoryHigh",
      "PodRestartingTooOften",
      "CertificateExpiringSoon",
      "DiskSpaceLow",
      "ServiceDown",
    ]);
    expect(group?.rules[6]).toMatchObject({
      kind: "alerting",
      holdFor: 5 * MINUTE,
      labels: { severity: "warning", team: "devops" },
    });
  });

  test("says every fault with its line", () => {
    const text = `groups:
  - name: a
    rules:
      - alert: Bad
        expr: sum(
        for: 5 minutes
  - name: a
    rules:
      - record: not a name
        expr: up
      - alert: Template
        expr: up == 0
        annotations:
          text: "{{ nope }}"
      - expr: up
`;
    expect(faults(text)).toEqual([
      'r.yaml:6: groups.0.rules.0.for: not a valid duration string: "5 minutes"',
    ]);
    expect(faults(text.replace("5 minutes", "5m"))).toEqual([
      expect.stringMatching(
        /^r\.yaml:5: group "a", rule 1, "Bad": could not parse expression: .*parse error/,
      ),
      'r.yaml:7: groupname: "a" is repeated in the same file',
      'r.yaml:9: group "a", rule 1, "not a name": invalid recording rule name: not a name',
      'r.yaml:14: group "a", rule 2, "Template": annotation "text": template: function "nope" not defined',
      "r.yaml:15: group \"a\", rule 3, \"\": one of 'record' or 'alert' must be set",
    ]);
  });

  test("takes texts as they were written, whatever YAML makes of them", () => {
    const text = `groups:
  - name: a
    limit: 10
    rules:
      - {record: x, expr: 1e3, labels: {version: 1.10, hex: 0x10, on: true, none: null-ish}}
`;
    const parsed = parse(text);
    if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
    expect(parsed.value[0]).toMatchObject({
      limit: 10,
      rules: [{ expr: "1e3", labels: { version: "1.10", hex: "0x10", on: "true", none: "null-ish" } }],
    });
    expect(faults(text.replace("10\n", "many\n"))[0]).toMatch(/^r\.yaml:3: groups\.0\.limit: /);
  });

  test("refuses fields it does not know, and YAML that is none", () => {
    expect(faults("groups: [{name: a, ruels: []}]")[0]).toMatch(
      /^r\.yaml:1: groups\.0: Unrecognized key: "ruels"/,
    );
    expect(faults("groups:\n  - name: [")[0]).toMatch(/^r\.yaml:2: /);
    expect(faults("[]")[0]).toMatch(/^r\.yaml:1: the file: /);
  });

  test("whatever stands in it, it is read or refused with lines, and nothing is thrown", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (rule, group) => {
        const files = [rule, { groups: [group] }, { groups: [{ name: "g", rules: [rule] }] }];
        for (const file of files) {
          const parsed = parseRuleFile("r", file, () => 1);
          if ("faults" in parsed) expect(parsed.faults.every((fault) => fault.startsWith("1: "))).toBe(true);
        }
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const shown = JSON.stringify(text);
        const file = `groups: [{name: g, rules: [{alert: A, expr: ${shown}, annotations: {a: ${shown}}}]}]`;
        for (const one of [text, file]) expect(() => parse(one)).not.toThrow();
      }),
    );
  });

  test("a few lines of references that would fill the memory are refused", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}]`);
    expect(faults(lines.join("\n"))).toEqual([expect.stringMatching(/^r\.yaml:1: .*alias/i)]);
  });

  test("rules of one name in one group have keys of their own", () => {
    const parsed = parse("groups: [{name: g, rules: [{alert: A, expr: up}, {alert: A, expr: down}]}]");
    if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
    expect(parsed.value[0]?.rules.map((rule) => rule.key)).toEqual(["g/A", "g/A#2"]);
  });
});
