/** The rules that are shipped pass their unit tests, in our runner and in promtool where it is installed. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { run } from "./run.js";

const execute = promisify(execFile);
const PROMTOOL = "/usr/bin/promtool";
const CONFIG = join(import.meta.dirname, "../../config");
const FILES = readdirSync(CONFIG).filter((name) => name.endsWith("-rules.test.yml"));

async function mainstay(...args: readonly string[]) {
  const told: string[] = [];
  const code = await run(args, {
    env: {},
    workingDirectory: CONFIG,
    home: CONFIG,
    write: (text) => void told.push(text),
    warn: (text) => void told.push(text),
    now: () => 0,
    signal: new AbortController().signal,
  });
  return { code, told: told.join("\n") };
}

test("each set of rules has unit tests", () => {
  expect(FILES).toEqual([
    "alert-rules.test.yml",
    "corrected-rules.test.yml",
    "failover-rules.test.yml",
    "recovery-rules.test.yml",
  ]);
});

describe.each(FILES)("%s", (name) => {
  test("passes", async () => {
    const { code, told } = await mainstay("rules", "test", join(CONFIG, name));
    expect({ code, told }).toEqual({ code: 0, told: expect.stringContaining("SUCCESS") });
  });
});

test.each(["alert-rules.yaml", "corrected-rules.yaml", "recovery-rules.yaml"])(
  "%s is well formed",
  async (name) => {
    expect((await mainstay("rules", "check", join(CONFIG, name))).code).toBe(0);
  },
);

describe.runIf(existsSync(PROMTOOL))("promtool, where it is installed, says the same of", () => {
  test.each(FILES)("%s", async (name) => {
    const { stdout } = await execute(PROMTOOL, ["test", "rules", join(CONFIG, name)]);
    expect(stdout).toContain("SUCCESS");
  });

  test("an expectation that is not met, to the letter", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mainstay-rules-"));
    try {
      const file = join(folder, "t.yml");
      const rules = join(CONFIG, "corrected-rules.yaml");
      writeFileSync(
        file,
        `rule_files: [${rules}]
tests:
  - name: wrong
    interval: 1m
    input_series: [{series: 'up{job="mainstay-agent",instance="n"}', values: 0x9}]
    alert_rule_test: [{eval_time: 5m, alertname: NodeGone, exp_alerts: [{exp_labels: {a: b}}]}]
    promql_expr_test: [{expr: up, eval_time: 5m, exp_samples: [{labels: 'up{a="b"}', value: 1.5}]}]
`,
      );
      const failed = await execute(PROMTOOL, ["test", "rules", file]).then(
        () => "",
        (error: { readonly stderr: string }) => error.stderr,
      );
      const { told } = await mainstay("rules", "test", file);
      const lines = (text: string) =>
        text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("Unit Testing"));
      expect(lines(told)).toEqual(lines(failed));
      expect(lines(failed).length).toBeGreaterThan(10);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
