import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../setup/repository.mjs";
import { run } from "../setup/run.mjs";

const cp = "control-plane/src";

/** A made-up house: each file with what it imports, and the rule that forbids it; undefined for what is allowed. */
const files = [
  { file: `${cp}/kernel/time.ts`, imports: [] },
  { file: `${cp}/platform/postgres/database.ts`, imports: ["pg", "../../kernel/time.js"] },
  { file: `${cp}/platform/postgres/sql.ts`, imports: ["../../kernel/time.js"] },
  { file: `${cp}/journal/domain/entry.ts`, imports: ["zod", "../../kernel/time.js"] },
  { file: `${cp}/journal/entries.store.ts`, imports: ["./domain/entry.js", "../platform/postgres/sql.js"] },
  { file: `${cp}/journal/journal.module.ts`, imports: ["./entries.store.js", "@nestjs/common"] },
  { file: `${cp}/alerting/domain/rule.ts`, imports: ["../../journal/domain/entry.js"] },
  {
    file: `${cp}/alerting/evaluation.loop.ts`,
    imports: ["./domain/rule.js", "../journal/journal.module.js"],
  },
  {
    file: `${cp}/edge/grpc-server.ts`,
    imports: ["../alerting/domain/rule.js", "@grpc/grpc-js", "../../../proto/gen/a_pb.js"],
  },
  { file: "proto/gen/a_pb.ts", imports: [] },
  { file: "agent/src/run/process.ts", imports: ["node:child_process"] },
  { file: "e2e/story.test.ts", imports: ["pg"] },

  { file: `${cp}/journal/looks-up.ts`, imports: ["../alerting/domain/rule.js"], rule: "room-journal" },
  {
    file: `${cp}/platform/looks-up.ts`,
    imports: ["../journal/domain/entry.js"],
    rule: "platform-knows-no-room",
  },
  {
    file: `${cp}/alerting/by-the-window.ts`,
    imports: ["../journal/entries.store.js"],
    rule: "enter-by-the-door",
  },
  { file: `${cp}/alerting/domain/reads.ts`, imports: ["node:fs"], rule: "decisions-are-pure" },
  { file: `${cp}/alerting/domain/types.ts`, imports: ["pg"], rule: "decisions-are-pure", type: true },
  { file: `${cp}/kernel/shell.ts`, imports: ["../platform/postgres/sql.js"], rule: "decisions-are-pure" },
  { file: `${cp}/journal/own-pool.ts`, imports: ["pg"], rule: "only-in-its-place-sql" },
  {
    file: `${cp}/journal/query.ts`,
    imports: ["../platform/postgres/sql.js"],
    rule: "only-in-its-place-sql-in-stores",
  },
  { file: `${cp}/alerting/wired.ts`, imports: ["@nestjs/common"], rule: "only-in-its-place-nest" },
  {
    file: `${cp}/alerting/wire.ts`,
    imports: ["../../../proto/gen/a_pb.js"],
    rule: "only-in-its-place-wire-types",
  },
  { file: `${cp}/alerting/shell.ts`, imports: ["node:child_process"], rule: "only-in-its-place-processes" },
  { file: `${cp}/alerting/thread.ts`, imports: ["node:worker_threads"], rule: "only-in-its-place-threads" },
  { file: "agent/src/run/second.ts", imports: ["node:child_process"], rule: "only-in-its-place-processes" },
  {
    file: "agent/src/peeks.ts",
    imports: ["../../control-plane/src/kernel/time.js"],
    rule: "workspaces-meet-in-proto",
  },
  {
    file: "e2e/harness/peeks.ts",
    imports: ["../../agent/src/run/process.js"],
    rule: "workspaces-meet-in-proto",
  },
  { file: `${cp}/alerting/nobody.ts`, imports: [], rule: "no-orphans" },
  { file: `${cp}/alerting/round.ts`, imports: ["./trip.js"], rule: "no-cycles" },
  { file: `${cp}/alerting/trip.ts`, imports: ["./round.js"], rule: "no-cycles" },
  { file: `${cp}/alerting/lost.ts`, imports: ["./nowhere.js"], rule: "resolvable" },
  { file: `${cp}/alerting/undeclared.ts`, imports: ["esbuild"], rule: "declared" },
  {
    file: `${cp}/alerting/uses-a-test.ts`,
    imports: ["../../../e2e/story.test.js"],
    rule: "tests-are-leaves",
  },
];

let house = "";
/** @type {Map<string, Set<string>>} file to the rules it breaks */
const broken = new Map();

/** @param {(typeof files)[number]} file */
function textOf({ imports, ...rest }) {
  const keyword = "type" in rest ? "import type" : "import";
  const lines = imports.map((name, index) => `${keyword} * as i${index} from "${name}";`);
  return [
    ...lines,
    `export const used = [${"type" in rest ? "" : imports.map((_, index) => `i${index}`)}];\n`,
  ].join("\n");
}

beforeAll(async () => {
  house = mkdtempSync(join(tmpdir(), "mainstay-floor-plan-"));
  for (const entry of files) {
    const path = join(house, entry.file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, textOf(entry));
  }
  const dependencies = { pg: "*", zod: "*", "@nestjs/common": "*", "@grpc/grpc-js": "*" };
  writeFileSync(join(house, "package.json"), JSON.stringify({ type: "module", dependencies }));
  symlinkSync(join(root, "node_modules"), join(house, "node_modules"));
  const cli = join(root, "node_modules", "dependency-cruiser", "bin", "dependency-cruise.mjs");
  const plan = join(root, ".dependency-cruiser.mjs");
  const args = [cli, "--config", plan, "--output-type", "json", "control-plane", "agent", "e2e", "proto"];
  const outcome = await run(process.execPath, args, {
    streams: "stdout",
    outputBytesMax: 32 * 1024 * 1024,
    cwd: house,
  });
  /** @type {{ summary: { violations: { from: string, rule: { name: string }, cycle?: { name: string }[] }[] } }} */
  const cruise = JSON.parse(outcome.output);
  for (const { from, rule, cycle = [] } of cruise.summary.violations) {
    for (const file of [from, ...cycle.map(({ name }) => name)]) {
      broken.set(file, (broken.get(file) ?? new Set()).add(rule.name));
    }
  }
});
afterAll(() => rmSync(house, { recursive: true, force: true }));

test.each(files.filter((entry) => "rule" in entry))("$file trespasses: $rule", ({ file, rule }) => {
  expect([...(broken.get(file) ?? [])]).toContain(rule);
});

test.each(files.filter((entry) => !("rule" in entry)))("$file is where it belongs", ({ file }) => {
  // Nothing in this made-up house imports the outermost files.
  expect([...(broken.get(file) ?? [])].filter((rule) => rule !== "no-orphans")).toEqual([]);
});
