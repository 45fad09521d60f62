import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runScript } from "./promqltest.js";

const OURS = join(import.meta.dirname, "testdata");
/** Prometheus' own scripts, which are not part of this repository; used where a copy lies next to it. */
const OFFICIAL = join(import.meta.dirname, "../../../../shared/promqltest");

function scriptsIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".test")) : [];
}

function faults(text: string, wanted: (line: number) => boolean): readonly string[] {
  return runScript(text).flatMap(({ line, statement, failure }) =>
    failure !== undefined && wanted(line) ? [`${line}: ${statement}: ${failure}`] : [],
  );
}

describe.each(scriptsIn(OURS))("%s", (name) => {
  const text = readFileSync(join(OURS, name), "utf8");

  test("every answer is the one written down", () => {
    expect(faults(text, () => true)).toEqual([]);
  });

  test("holds at least a dozen queries", () => {
    expect(runScript(text).length).toBeGreaterThan(12);
  });
});

describe.each(scriptsIn(OFFICIAL))("Prometheus' own %s", (name) => {
  test("every case that needs neither native histograms nor experimental features passes", () => {
    const essential: { ids: readonly string[] } = JSON.parse(
      readFileSync(join(OFFICIAL, "essential.json"), "utf8"),
    );
    const lines = new Set(
      essential.ids.filter((id) => id.startsWith(`${name}:`)).map((id) => Number(id.split(":")[1])),
    );
    expect(lines.size).toBeGreaterThan(0);
    expect(faults(readFileSync(join(OFFICIAL, name), "utf8"), (line) => lines.has(line))).toEqual([]);
  });
});
