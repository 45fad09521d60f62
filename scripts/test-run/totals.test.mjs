import { expect, test } from "vitest";
import { closingLine, totalsOf } from "./totals.mjs";

/**
 * @param {string[]} states one for each test
 * @param {{ state?: string, errors?: string[], suiteErrors?: string[] }} [rest]
 */
function fileWith(states, rest = {}) {
  const errors = (rest.errors ?? []).map((message) => ({ message }));
  const suiteErrors = (rest.suiteErrors ?? []).map((message) => ({ message }));
  return {
    relativeModuleId: "a.test.ts",
    state: () => rest.state ?? (states.includes("failed") ? "failed" : "passed"),
    errors: () => errors,
    children: {
      allTests: () =>
        states.map((state, index) => ({
          fullName: `case ${index}`,
          result: () => ({ state }),
          module: { relativeModuleId: "a.test.ts" },
        })),
      allSuites: () => [{ fullName: "suite", errors: () => suiteErrors }],
    },
  };
}

test("every test counts, and what was not run is named", () => {
  expect(totalsOf([fileWith(["passed", "failed", "skipped"]), fileWith(["passed"])], [])).toEqual({
    passed: 2,
    failed: 1,
    skipped: ["a.test.ts > case 2"],
    broken: [],
  });
});

test.each([
  { when: "a file cannot be loaded", file: fileWith([], { state: "failed", errors: ["no such module"] }) },
  { when: "a hook fails", file: fileWith(["skipped"], { state: "failed", suiteErrors: ["no such module"] }) },
])("when $when it is broken, though no test failed", ({ file }) => {
  expect(totalsOf([file], []).broken).toEqual(["a.test.ts: no such module"]);
});

test("a file or a test that did not end is broken", () => {
  const totals = totalsOf([fileWith(["pending"]), fileWith([], { state: "queued" })], []);
  expect(totals.broken).toEqual(["a.test.ts > case 0: did not end", "a.test.ts: did not end"]);
});

test("an error that nobody caught is broken, whatever was thrown", () => {
  expect(totalsOf([], [new Error("late"), { message: "cloned" }, "text"]).broken).toEqual([
    "an error that nobody caught: late",
    "an error that nobody caught: cloned",
    "an error that nobody caught: text",
  ]);
});

test("the closing line is what machines read", () => {
  expect(closingLine(12, 0)).toBe("12 passed, 0 failed");
});
