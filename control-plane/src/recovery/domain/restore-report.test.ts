import { expect, test } from "vitest";
import { readRestoreReport } from "./restore-report.js";

const told = {
  repository: "main",
  component: "orders",
  backup: "20261122-185947F",
  to: null,
  begunAt: 1_000,
  steps: { verify: 1, restore: 2 },
  rtoMs: 5,
  rpoMs: null,
  newestAt: null,
  measuredBy: "marker",
  bytes: 10,
  says: ["whole"],
  probes: { rows: 3, text: null },
  failedAt: null,
  because: null,
  destroyed: true,
};

test("what an agent tells of a restore", () => {
  expect(readRestoreReport(JSON.stringify(told))).toMatchObject({
    backup: "20261122-185947F",
    rto: 5,
    rpo: undefined,
    probes: { rows: 3, text: null },
    because: undefined,
  });
});

test.each([
  { when: "it is no JSON", text: "ok" },
  { when: "it is another thing", text: "[]" },
  { when: "a part is missing", text: JSON.stringify({ ...told, destroyed: undefined }) },
  { when: "a time is negative", text: JSON.stringify({ ...told, rtoMs: -1 }) },
  { when: "a time is no number", text: JSON.stringify({ ...told, rtoMs: "5" }) },
  { when: "a step is not one of ours", text: JSON.stringify({ ...told, failedAt: "; drop table" }) },
  { when: "it is without an end", text: JSON.stringify({ ...told, because: "x".repeat(200_000) }) },
])("nothing is believed when $when", ({ text }) => {
  expect(readRestoreReport(text)).toBeUndefined();
});

test("a text is cut to what is of use", () => {
  const report = readRestoreReport(JSON.stringify({ ...told, because: "x".repeat(5_000) }));
  expect(report?.because).toHaveLength(2_000);
});
