import { expect, test } from "vitest";
import { oneLine, parseLogLine, summarise } from "./log-line.mjs";

test.each(["", "plain text", "{", "null", '{"level":"warn"}', '{"level":1,"sentence":"x"}'])(
  "%j is not a line of ours",
  (text) => expect(parseLogLine(text)).toBeUndefined(),
);

test.each([
  { line: { level: "warn", sentence: "late" }, shown: "late" },
  {
    line: { time: "now", level: "warn", sentence: "late", node: "web-1", lagMs: 12 },
    shown: "late (node web-1, lagMs 12)",
  },
  {
    line: { level: "error", sentence: "no", error: { message: "disk full", stack: "at x" } },
    shown: "no: disk full",
  },
  { line: { level: "error", sentence: "no", error: "disk full", list: ["a"] }, shown: "no: disk full" },
])("$line.sentence is shown as: $shown", ({ line, shown }) => {
  const parsed = parseLogLine(JSON.stringify(line));
  expect(parsed && summarise(parsed)).toBe(shown);
});

test("what a program wrote cannot move the cursor, fill the screen or take a second line", () => {
  const shown = oneLine(`\u001b[31mred\u001b[0m\nsecond\u202e ${"x".repeat(1000)}`);
  expect(shown).toMatch(/^\[31mred \[0m second/);
  expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(shown.length).toBe(240);
});
