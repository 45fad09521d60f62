import { describe, expect, test } from "vitest";
import { isLoopback, nodeNameFrom, parseAddress, parseConfig, readCommandLine } from "./config.js";

async function faultsOf(text: string, env: NodeJS.ProcessEnv = {}): Promise<readonly string[]> {
  const parsed = await parseConfig(text, env, "host.example");
  return parsed.kind === "faulty" ? parsed.faults : [];
}

async function configOf(text: string, env: NodeJS.ProcessEnv = {}) {
  const parsed = await parseConfig(text, env, "Web-1.example.org");
  if (parsed.kind === "faulty") throw new Error(parsed.faults.join("\n"));
  return parsed.config;
}

describe("the configuration", () => {
  test("an empty one has safe defaults: nothing is allowed", async () => {
    const config = await configOf("");
    expect(config).toMatchObject({
      nodeName: "web-1",
      stateDir: "/var/lib/mainstay-agent",
      intervalMs: 15_000,
      outboxBytesMax: 67_108_864,
      health: { host: "127.0.0.1", port: 7484 },
      actions: {
        cleanDirectory: undefined,
        restartService: undefined,
        endIdleSessions: undefined,
        collectDiagnostics: false,
      },
    });
  });

  test("YAML and JSON below a comment read the same", async () => {
    const yaml = await configOf("nodeName: a\ncontrolPlane:\n  agents: 'cp.example:1'\n");
    const json = await configOf(
      '# a comment\n\n{"nodeName": "a", "controlPlane": {"agents": "cp.example:1"}}',
    );
    expect(JSON.stringify(yaml)).toBe(JSON.stringify(json));
    expect(yaml.controlPlane.agents).toEqual([{ host: "cp.example", port: 1 }]);
  });

  test("the environment wins over the file", async () => {
    const env = {
      MAINSTAY_NODE_NAME: "b",
      MAINSTAY_AGENTS_ADDRESS: "[::1]:9",
      MAINSTAY_INTERVAL_MS: "2000",
      MAINSTAY_STATE_DIR: "",
    };
    const config = await configOf("nodeName: a\nintervalMs: 5000\nstateDir: /s\n", env);
    expect(config).toMatchObject({ nodeName: "b", intervalMs: 2000, stateDir: "/s" });
    expect(config.controlPlane.agents).toEqual([{ host: "::1", port: 9 }]);
  });

  test("several replicas are a list, in the environment with commas between", async () => {
    const both = [
      { host: "a", port: 1 },
      { host: "b", port: 2 },
    ];
    expect((await configOf('controlPlane: { agents: ["a:1", "b:2"] }')).controlPlane.agents).toEqual(both);
    const env = { MAINSTAY_AGENTS_ADDRESS: "a:1, b:2" };
    expect((await configOf("", env)).controlPlane.agents).toEqual(both);
    expect((await faultsOf('controlPlane: { agents: ["a:1", "b"] }'))[0]).toContain(
      'controlPlane.agents: found ["a:1","b"], expected 1 to 16 of host:port',
    );
    expect((await faultsOf("controlPlane: { agents: [] }"))[0]).toContain("expected 1 to 16 of host:port");
  });

  test("all faults come at once, each with place, value and what was expected", async () => {
    const text = `
nodeName: Not_A_Name
intervalMs: 5
controlPlane: { agents: nowhere, enrol: "x:1" }
health: { host: 0.0.0.0 }
joinToken: 7
actions:
  cleanDirectory: { roots: [/, relative] }
  restartService: { processes: [{ name: w, pidFile: /p, start: [worker] }] }
  endIdleSessions: { databases: [{ name: d }] }
  runAnything: true
collect: { intervalMs: 1 }
`;
    const faults = await faultsOf(text);
    for (const expected of [
      'nodeName: found "Not_A_Name", expected 1 to 63 of a-z',
      "intervalMs: found 5, expected a whole number from 1000 to 240000",
      'controlPlane.agents: found "nowhere", expected host:port',
      "controlPlane.enrol: ",
      'health.host: found "0.0.0.0", expected a loopback address',
      "joinToken: found (not shown), expected",
      'actions.cleanDirectory.roots[0]: found "/", expected a directory below /',
      'actions.cleanDirectory.roots[1]: found "relative", expected an absolute path',
      "actions.restartService.processes[0].start: ",
      "actions.endIdleSessions.databases[0].url: ",
      "actions.runAnything: found true, expected no such setting",
      "collect.intervalMs: found 1",
    ]) {
      expect(
        faults.some((fault) => fault.startsWith(expected)),
        `${expected}\n${faults.join("\n")}`,
      ).toBe(true);
    }
  });

  test.each([
    { text: "a: [", what: "broken YAML" },
    { text: "- a list", what: "a list" },
    { text: "just a text", what: "a text" },
  ])("$what is a fault, not a crash", async ({ text }) => {
    expect((await faultsOf(text)).length).toBeGreaterThan(0);
  });

  test.each([
    { host: "Web 1!.example", name: "web-1" },
    { host: "", name: "node" },
    { host: "---", name: "node" },
    { host: "a".repeat(80), name: "a".repeat(63) },
  ])("host $host becomes node $name", ({ host, name }) => {
    expect(nodeNameFrom(host)).toBe(name);
  });

  test.each([
    { text: "h:1", at: { host: "h", port: 1 } },
    { text: "[fe80::1]:65535", at: { host: "fe80::1", port: 65_535 } },
    { text: "h:65536", at: undefined },
    { text: "h", at: undefined },
    { text: "a b:1", at: undefined },
    { text: "::1:80", at: undefined },
  ])("address $text", ({ text, at }) => {
    expect(parseAddress(text)).toEqual(at);
  });

  test("only this machine is loopback", () => {
    expect(["localhost", "127.0.0.1", "127.9.9.9", "::1"].every(isLoopback)).toBe(true);
    expect(["127.evil.example", "10.0.0.1", "localhost.evil", "0.0.0.0"].some(isLoopback)).toBe(false);
  });
});

describe("the command line", () => {
  test.each([
    { args: ["--help"], kind: "help" },
    { args: ["--version"], kind: "version" },
    { args: ["--config"], kind: "wrong" },
    { args: ["--conf=x"], kind: "wrong" },
    { args: [], kind: "run" },
  ])("$args is $kind", ({ args, kind }) => {
    expect(readCommandLine(args, {}).kind).toBe(kind);
  });

  test("--config wins over MAINSTAY_AGENT_CONFIG", () => {
    const env = { MAINSTAY_AGENT_CONFIG: "/env" };
    expect(readCommandLine([], env)).toMatchObject({ configFile: "/env" });
    expect(readCommandLine(["--config", "/arg"], env)).toMatchObject({ configFile: "/arg" });
    expect(readCommandLine(["--config=/arg", "--check"], env)).toMatchObject({
      configFile: "/arg",
      checkOnly: true,
    });
  });
});
