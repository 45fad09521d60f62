import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseYamlText } from "../../platform/yaml-text.js";
import { parseRuleFile, type RuleGroup } from "./rule.js";
import { parseRuleTestFile, type RuleTestFile } from "./rule-test-file.js";
import { runRuleTest } from "./run-rule-test.js";

const CONFIG = join(import.meta.dirname, "../../../config");

function groupsOf(text: string): readonly RuleGroup[] {
  const parsed = parseYamlText("r.yaml", text, ({ asWritten, lineOf }) =>
    parseRuleFile("r.yaml", asWritten(), lineOf),
  );
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  return parsed.value;
}

function testsOf(text: string): RuleTestFile {
  const parsed = parseYamlText("t.yaml", text, ({ asWritten, lineOf }) =>
    parseRuleTestFile(asWritten(), lineOf),
  );
  if ("faults" in parsed) throw new Error(parsed.faults.join("\n"));
  return parsed.value;
}

function faultsOf(rules: string, tests: string): readonly string[] {
  const file = testsOf(tests);
  return file.tests.flatMap((one) => runRuleTest(one, groupsOf(rules), file));
}

const RULES = `
groups:
  - name: second
    rules:
      - {record: doubled, expr: base * 2}
  - name: first
    interval: 1m
    rules:
      - {record: base, expr: sum by (job) (up)}
      - alert: Down
        expr: up == 0
        for: 2m
        keep_firing_for: 2m
        labels: {severity: page}
        annotations: {text: "{{ $labels.job }} at {{ $value }}"}
`;

const inputs = (values: string): string => `
evaluation_interval: 1m
group_eval_order: [first, second]
tests:
  - interval: 1m
    name: one
    input_series:
      - {series: 'up{job="a"}', values: '${values}'}
`;

describe("the shipped unit tests", () => {
  test.each(["alert-rules"])("%s pass", (name) => {
    const rules = readFileSync(join(CONFIG, `${name}.yaml`), "utf8");
    const file = testsOf(readFileSync(join(CONFIG, `${name}.test.yml`), "utf8"));
    expect(file.tests.length).toBeGreaterThan(5);
    expect(file.tests.flatMap((one) => runRuleTest(one, groupsOf(rules), file))).toEqual([]);
  });
});

describe("a unit test of rules", () => {
  test("follows an alert from pending through keep_firing_for to its end", () => {
    const expectations = [1, 2, 3, 4, 5, 6].map((minute) => {
      const fires = minute >= 3 && minute <= 5;
      return `
      - eval_time: ${minute}m
        alertname: Down
        exp_alerts: [${fires ? "{exp_labels: {job: a, severity: page}, exp_annotations: {text: a at 0}}" : ""}]`;
    });
    expect(
      faultsOf(RULES, `${inputs("1 0 0 0 1 1 1")}    alert_rule_test:${expectations.join("")}\n`),
    ).toEqual([]);
  });

  test("lets later groups read what earlier ones recorded, in the order the test names", () => {
    const asks = (exp: number): string => `    promql_expr_test:
      - {expr: doubled, eval_time: 1m, exp_samples: [{labels: 'doubled{job="a"}', value: ${exp}}]}
`;
    expect(faultsOf(RULES, inputs("1 1") + asks(2))).toEqual([]);
    const unordered = inputs("1 3").replace("group_eval_order: [first, second]", "");
    expect(faultsOf(RULES, unordered + asks(2))).toEqual([]);
  });

  test("ends a recorded series whose source is gone, at once", () => {
    const asks = `    promql_expr_test:
      - {expr: base, eval_time: 2m, exp_samples: []}
`;
    expect(faultsOf(RULES, inputs("1 1 stale") + asks)).toEqual([]);
  });

  test("shows alerts as series, and their end", () => {
    const pending = `    promql_expr_test:
      - expr: 'ALERTS{alertstate="pending"}'
        eval_time: 2m
        exp_samples:
          - {labels: 'ALERTS{alertname="Down",alertstate="pending",job="a",severity="page"}', value: 1}
`;
    expect(faultsOf(RULES, inputs("1 0 0") + pending)).toEqual([]);
    const firing = `    promql_expr_test:
      - {expr: 'ALERTS{alertstate="pending"}', eval_time: 3m, exp_samples: []}
      - {expr: 'count(ALERTS{alertstate="firing"})', eval_time: 3m, exp_samples: [{value: 1}]}
      - expr: ALERTS_FOR_STATE
        eval_time: 3m
        exp_samples: [{labels: 'ALERTS_FOR_STATE{alertname="Down",job="a",severity="page"}', value: 60}]
`;
    expect(faultsOf(RULES, inputs("1 0 0 0") + firing)).toEqual([]);
  });

  test("tells in promtool's words what was expected and what came", () => {
    const asks = `    alert_rule_test:
      - {eval_time: 3m, alertname: Down, exp_alerts: []}
    promql_expr_test:
      - {expr: up, eval_time: 3m, exp_samples: [{labels: 'up{job="a"}', value: 3}]}
      - {expr: sum(, eval_time: 1m}
`;
    expect(faultsOf(RULES, inputs("1 0 0 0") + asks)).toEqual([
      `    name: one,
    alertname: Down, time: 3m, 
        exp:[], 
        got:[
            0:
              Labels:{alertname="Down", job="a", severity="page"}
              Annotations:{text="a at 0"}
            ]`,
      `    expr: "up", time: 3m,
        exp: {__name__="up", job="a"} 3E+00
        got: {__name__="up", job="a"} 0E+00`,
      `    expr: "sum(", time: 1m, err: 1:5: parse error: unclosed left parenthesis`,
    ]);
  });

  test("stops at a rule that cannot be judged, and names it", () => {
    const rules = "groups: [{name: g, rules: [{alert: Many, expr: up * on() group_left up}]}]";
    const tests = `
tests:
  - interval: 1m
    input_series: [{series: 'up{job="a"}', values: '1'}, {series: 'up{job="b"}', values: '1'}]
    alert_rule_test: [{eval_time: 0m, alertname: Many}]
`;
    expect(faultsOf(rules, tests)).toEqual([
      expect.stringMatching(/rule: Many, time: 0s, err: .*many-to-many|found duplicate series/),
    ]);
  });

  test.each([
    { fuzzy: false, passes: false },
    { fuzzy: true, passes: true },
  ])("compares to the last bit unless fuzzy_compare says otherwise: $fuzzy", ({ fuzzy, passes }) => {
    const tests = `
fuzzy_compare: ${fuzzy}
tests:
  - interval: 1m
    promql_expr_test: [{expr: 0.1 + 0.2, eval_time: 0m, exp_samples: [{value: 0.3}]}]
`;
    expect(faultsOf("groups: []", tests).length === 0).toBe(passes);
  });

  test.each([
    {
      what: "a series that is none",
      series: "up{",
      values: "1",
      says: "unexpected end of input inside braces",
    },
    { what: "values that are none", series: "up", values: "one", says: '"one" is no value' },
  ])("$what is a fault, not a crash", ({ series, values, says }) => {
    const tests = `tests: [{interval: 1m, input_series: [{series: '${series}', values: '${values}'}], promql_expr_test: [{expr: up, eval_time: 1m}]}]`;
    expect(faultsOf("groups: []", tests)).toEqual([expect.stringContaining(says)]);
  });

  test("refuses to run for ever", () => {
    const tests = "tests: [{interval: 1m, promql_expr_test: [{expr: up, eval_time: 10y}]}]";
    expect(faultsOf("groups: []", tests)).toEqual(["    more than 50000 evaluations up to 10y"]);
  });
});

describe("a test file", () => {
  test("says what is wrong with it, and where", () => {
    const text =
      "tests:\n  - interval: often\n    alert_rule_test:\n      - {eval_time: 1m}\nrule_file: [a]\n";
    const parsed = parseYamlText("t.yaml", text, ({ asWritten, lineOf }) =>
      parseRuleTestFile(asWritten(), lineOf),
    );
    expect("faults" in parsed ? parsed.faults : []).toEqual([
      't.yaml:2: tests.0.interval: not a valid duration string: "often"',
      expect.stringMatching(/^t\.yaml:4: tests\.0\.alert_rule_test\.0\.alertname: /),
      expect.stringMatching(/^t\.yaml:1: the file: Unrecognized key: "rule_file"/),
    ]);
  });
});
