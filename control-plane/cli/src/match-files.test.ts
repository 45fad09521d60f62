import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, expect, test } from "vitest";
import { matchFiles } from "./match-files.js";

const folder = mkdtempSync(join(tmpdir(), "mainstay-match-"));
mkdirSync(join(folder, "sub"));
for (const name of ["a.yml", "b.yml", "c.yaml", "x[1].yml", "sub/d.yml"])
  writeFileSync(join(folder, name), "");
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  { pattern: "a.yml", finds: ["a.yml"] },
  { pattern: "*.yml", finds: ["a.yml", "b.yml", "x[1].yml"] },
  { pattern: "?.y*ml", finds: ["a.yml", "b.yml", "c.yaml"] },
  { pattern: "[ac].*", finds: ["a.yml", "c.yaml"] },
  { pattern: "[!a-b].yaml", finds: ["c.yaml"] },
  { pattern: "*/d.yml", finds: ["sub/d.yml"] },
  { pattern: "../*/sub/*.yml", finds: ["sub/d.yml"] },
  { pattern: "none", finds: [] },
  { pattern: "none/*.yml", finds: [] },
])("$pattern finds $finds", async ({ pattern, finds }) => {
  const found = await matchFiles(pattern, join(folder, "test.yml"));
  expect(found.map((path) => relative(folder, path))).toEqual(finds);
});
