/**
 * The protocol's official conformance suite, over the fixtures it calls by name (on their own port, under the
 * conformance profile) and, where it needs none, over the product's own catalogue. There is no list of expected failures.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  inspect,
  type Revision,
  requirementsOf,
  runSuite,
  type ScenarioRun,
  startTokenProxy,
} from "../harness/conformance.js";
import { freePorts } from "../harness/ports.js";
import { Program } from "../harness/program.js";
import { Stack } from "../harness/stack.js";

const PROGRAM = resolve(import.meta.dirname, "../../mcp-server/dist/main.js");
let stack: Stack;
let proxy: Awaited<ReturnType<typeof startTokenProxy>>;
let fixtures = "";
let token = "";

beforeAll(async () => {
  stack = await Stack.start();
  const [port = 0, fixturesPort = 0] = await freePorts(2);
  const program = new Program({
    name: "MCP server",
    command: process.execPath,
    args: [PROGRAM, "--profile", "conformance", "--conformance-port", `${fixturesPort}`],
    env: { MAINSTAY_CONTROL_PLANE: `127.0.0.1:${stack.ports.grpc}`, MAINSTAY_MCP_PORT: `${port}` },
  });
  stack.atEnd(() => program.stop());
  await program.says("mcp server ready");
  fixtures = `http://127.0.0.1:${fixturesPort}/mcp`;
  token = readFileSync(join(stack.state, "mcp-token"), "utf8").trim();
  proxy = await startTokenProxy(new URL(`http://127.0.0.1:${port}/mcp`), token);
});
afterAll(async () => {
  await proxy?.close();
  await stack?.stop();
});

const sets = new Map<Revision, ReturnType<typeof runSuite>>();
/** A revision's set over the fixtures, run once. */
function wholeSet(revision: Revision): ReturnType<typeof runSuite> {
  const run = sets.get(revision) ?? runSuite(fixtures, { requirements: revision });
  sets.set(revision, run);
  return run;
}

const failuresOf = (runs: Iterable<ScenarioRun>): string[] =>
  [...runs].flatMap(({ scenario, failures }) => failures.map((failure) => `${scenario}: ${failure}`));

describe.each([
  { revision: "2025-11-25" as Revision, required: 30 },
  { revision: "2026-07-28" as Revision, required: 37 },
])("of $revision", ({ revision, required }) => {
  test(`all ${required} required scenarios pass over the fixtures, and whatever the suite runs besides`, async () => {
    const named = requirementsOf(revision);
    expect(named.required).toHaveLength(required);
    const runs = await wholeSet(revision);
    expect(failuresOf(runs.values())).toEqual([]);
    const passed = [...runs.values()].filter((run) => run.passed > 0).map((run) => run.scenario);
    expect(passed).toEqual(expect.arrayContaining(named.required));
    // The suite skips this one without looking.
    const unseen = named.besides.filter((scenario) => !passed.includes(scenario));
    expect(["tasks-status-notifications"]).toEqual(expect.arrayContaining(unseen));
  });
});

test("long work is told as tasks, in all 44 checks that the suite makes of it", async () => {
  const runs = [...(await wholeSet("2026-07-28")).values()].filter((run) =>
    run.scenario.startsWith("tasks-"),
  );
  expect(runs).toHaveLength(10);
  expect(runs.reduce((sum, run) => sum + run.passed, 0)).toBeGreaterThanOrEqual(44);
});

test.each(["sep-2640-skills-directory", "sep-2640-skills-enumeration", "sep-2640-skills-manifest"])(
  "skills are served: %s",
  async (scenario) => {
    const [run] = (await runSuite(fixtures, { scenario })).values();
    expect(run?.failures).toEqual([]);
    expect(run?.passed).toBeGreaterThan(3);
  },
);

describe("the product's own catalogue", () => {
  test.each<[string, Revision]>([
    ["server-initialize", "2025-11-25"],
    ["ping", "2025-11-25"],
    ["server-session-lifecycle", "2025-11-25"],
    ["server-sse-multiple-streams", "2025-11-25"],
    ["dns-rebinding-protection", "2025-11-25"],
    ["resources-list", "2025-11-25"],
    ["prompts-list", "2025-11-25"],
    ["tools-list", "2025-11-25"],
    ["tools-list", "2026-07-28"],
    ["resources-list", "2026-07-28"],
    ["prompts-list", "2026-07-28"],
    ["server-sse-multiple-streams", "2026-07-28"],
    ["dns-rebinding-protection", "2026-07-28"],
    ["http-header-validation", "2026-07-28"],
    ["sep-2164-resource-not-found", "2026-07-28"],
    ["input-required-result-unsupported-methods", "2026-07-28"],
  ])("passes %s of %s", async (scenario, version) => {
    const [run] = (await runSuite(proxy.url, { scenario, version })).values();
    expect(run?.failures).toEqual([]);
    expect(run?.passed).toBeGreaterThan(0);
  });

  test("is stateless as the suite has it, in every check that needs no fixture", async () => {
    const [run] = (
      await runSuite(proxy.url, { scenario: "server-stateless", version: "2026-07-28" })
    ).values();
    const others = (run?.failures ?? []).filter((failure) => !failure.includes("the diagnostic tool"));
    expect(others).toEqual([]);
    expect(run?.passed).toBeGreaterThanOrEqual(24);
  });

  test("holds none of the suite's fixtures", async () => {
    const listed = async (url: string, headers: Record<string, string> = {}): Promise<string[]> => {
      const answer = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...headers,
        },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
      });
      const text = (await answer.text()).replace(/^[\s\S]*?data: /, "");
      const List = z.object({ result: z.object({ tools: z.array(z.object({ name: z.string() })) }) });
      return List.parse(JSON.parse(text)).result.tools.map(({ name }) => name);
    };
    const own = await listed(proxy.url);
    const theirs = await listed(fixtures);
    expect(own).toContain("health_overview");
    expect(theirs.length).toBeGreaterThan(25);
    expect(own.filter((name) => theirs.includes(name))).toEqual([]);
  });
});

describe.each(["legacy", "modern"] as const)("the official Inspector, in the %s era,", (era) => {
  test("finds every definition of the product fit for all clients, strictly", async () => {
    const { code, said } = await inspect(proxy.url, era, ["--method", "tools/list", "--strict"]);
    expect(code, said.slice(-2_000)).toBe(0);
    expect(said).toContain("journal_verify");
  });

  test("calls a tool and reads a resource", async () => {
    const called = await inspect(proxy.url, era, [
      "--method",
      "tools/call",
      "--tool-name",
      "health_overview",
    ]);
    expect(called.code, called.said.slice(-2_000)).toBe(0);
    const read = await inspect(proxy.url, era, ["--method", "resources/read", "--uri", "mainstay://health"]);
    expect(read.code, read.said.slice(-2_000)).toBe(0);
    expect(read.said).toContain("nodes_live");
  });
});

test("the fixtures are not served in production", async () => {
  const program = new Program({
    name: "MCP server",
    command: process.execPath,
    args: [PROGRAM, "--profile", "conformance"],
    env: { NODE_ENV: "production" },
  });
  expect(await program.end()).toBe(2);
  expect(program.text()).toContain("NODE_ENV is production");
});
