import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findBlocks } from "./blocks.js";
import type { Remark } from "./finding.js";
import { lintProse } from "./lint-prose.js";
import type { SqlServer } from "./sql-server.js";
import { readSql } from "./sql-text.js";

const TEXT = readFileSync(join(import.meta.dirname, "testing/prose.md"), "utf8");

/** A server that knows what this text asks; the real one is asked in sql-server.pg.test.ts. */
const server: SqlServer = {
  own: false,
  understand: async (statement) => {
    const at = statement.indexOf("tablename");
    if (at >= 0) return { message: 'column "tablename" does not exist', state: "42703", position: at + 1 };
    if (/\borders\b/.test(statement))
      return { message: 'relation "orders" does not exist', state: "42P01", position: 22 };
    return statement.startsWith("SELEC ")
      ? { message: 'syntax error at or near "SELEC"', state: "42601", position: 1 }
      : undefined;
  },
  setting: async (name) =>
    ["max_connections", "restore_command"].includes(name)
      ? { restart: name === "max_connections" }
      : undefined,
  close: async () => {},
};
const told = (remarks: readonly Remark[]): readonly string[] =>
  remarks.map(
    ({ line, severity, what, why }) =>
      `${line} ${severity}: ${what}${severity === "note" ? "" : ` (${why.slice(0, 40)})`}`,
  );

test("a text's faults are found, each on its line, and nothing else", async () => {
  expect(told(await lintProse(TEXT, async () => server))).toEqual([
    "7 warning: ERRORS may be empty (the script goes on without its argument,)",
    "8 fault: bash does not read this script (syntax error near unexpected token `(')",
    "8 fault: curl takes [ ] in an address for a range (http://metrics:9090/api/v1/query?query=r)",
    "9 fault: kubectl exec without -i is fed from here (input is not passed on: the program insi)",
    '10 fault: PostgreSQL refuses this (column "tablename" does not exist)',
    '11 note: relation "orders" does not exist: the statement was checked no further',
    "16 fault: <pod> is a redirection to the shell (it reads from a file called pod, and wha)",
    "18 fault: aws s3 has no option --encryption (the command ends with a usage message an)",
    "20 fault: JSON is sent as a form (curl -d says application/x-www-form-urle)",
    "21 fault: max_connections is read only when the server starts (a reload leaves the old value in force; )",
    "22 warning: web is stopped before its image is changed (nothing serves until the new pods are re)",
    "30 fault: recovery.conf (since version 12 PostgreSQL does not sta)",
    "32 fault: PostgreSQL has no setting recovery_target_tim (the server does not start with it in its)",
    "33 warning: a database is renamed while others may be connected to it (with a single session in it PostgreSQL r)",
    '35 fault: PostgreSQL refuses this (syntax error at or near "SELEC")',
    "41 note: the rules have lost their indentation",
    '45 fault: group "shop", rule 1, "TooSlow": could not parse expression: 1:29: parse error: unclosed left parenthesis (Prometheus refuses the whole file)',
    "56 fault: a record set has Weight and Failover (Route 53 refuses it: a record set has on)",
    "57 fault: AliasTarget without EvaluateTargetHealth (Route 53 requires it, and without true a)",
    "63 fault: Kubernetes has no kind PatchDeployment in v1 (used as a patch, what it says of kind an)",
    "71 warning: min(10, rps // 500) is always 10 (rps is at least 5001 here, and 5001 // 5)",
  ]);
});

test("without a server the same is said but for what only a server knows, and that is said too", async () => {
  const remarks = told(await lintProse(TEXT, async () => "there is none"));
  expect(remarks).toContain("10 note: whether PostgreSQL takes these statements was not checked");
  expect(remarks.some((text) => text.startsWith("21 fault: max_connections"))).toBe(true);
  expect(remarks.some((text) => text.includes("tablename"))).toBe(false);
});

test("without fences, blocks are known by a language's name or by how they begin", () => {
  const text = `# Title
Some words about it.
bash
kubectl get pods
# a comment

## Next
psql -c 'select 1'
echo done

SELECT 1
FROM pg_class;

groups:
- name: a
`;
  expect(findBlocks(text).map(({ language, line, lines }) => [language, line, lines.length])).toEqual([
    ["shell", 4, 2],
    ["shell", 8, 2],
    ["sql", 11, 2],
    ["yaml", 14, 2],
  ]);
});

describe("SQL text", () => {
  test("is split at semicolons that end something, and each piece keeps its line", () => {
    const lines = [
      "-- a comment; with one",
      "select ';' as \"a;b\", $x$ ; $x$",
      "from t /* ; */;",
      "work_mem = '4MB'",
      "update t set",
      "  a = 1,",
      "  b = 2 where c;",
      "\\dt",
    ];
    const { statements, settings } = readSql(lines, 10);
    expect(statements.map(({ line, text }) => [line, text.split("\n").length, text.slice(0, 8)])).toEqual([
      [11, 2, "select '"],
      [14, 3, "update t"],
    ]);
    expect(settings.map(({ line, name }) => [line, name])).toEqual([[13, "work_mem"]]);
  });
});
