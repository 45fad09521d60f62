import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KNOWN_ACTIONS } from "./domain/known-actions.js";
import { readRunbookText, shelve } from "./shelf.js";

const FOLDER = join(import.meta.dirname, "../../config/runbooks");
const AGENT = join(import.meta.dirname, "../../../agent/src/run/action-names.ts");

describe("the shipped runbooks", () => {
  const read = readdirSync(FOLDER).map((name) =>
    readRunbookText(name, readFileSync(join(FOLDER, name), "utf8")),
  );

  test("have no faults and no warnings, one by one and together", () => {
    expect(read.flatMap((one) => ("faults" in one ? one.faults : []))).toEqual([]);
    const shelved = shelve(read.flatMap((one) => ("value" in one ? [one.value] : [])));
    expect(shelved.faults).toEqual([]);
    expect([...shelved.books.values()].flatMap(({ warnings }) => warnings)).toEqual([]);
    expect([...shelved.books.keys()]).toEqual([
      "daily-check",
      "database-connections",
      "disk-space",
      "high-memory",
      "restart-service-safely",
    ]);
  });

  test("hold the checklist's nine steps", () => {
    const daily = read.flatMap((one) =>
      "value" in one && one.value.book.name === "daily-check" ? [one.value.book] : [],
    );
    expect(daily[0]?.steps.map(({ id }) => id)).toEqual([
      "cluster",
      "database",
      "redis",
      "vault",
      "targets",
      "errors",
      "disks",
      "certificates",
      "alerts",
    ]);
  });
});

test("every action that agents have is known to runbooks, and no other", () => {
  const names = [...readFileSync(AGENT, "utf8").matchAll(/^ {2}"([a-z-]+)",$/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(5);
  expect([...KNOWN_ACTIONS.keys()].sort()).toEqual(names.sort());
});
