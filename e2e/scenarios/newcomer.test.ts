/** What a newcomer sees of `npm start`: it runs, says where things are, stops cleanly, resumes, and fails in one sentence. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../harness/ports.js";
import { Program } from "../harness/program.js";

const ROOT = resolve(import.meta.dirname, "../..");
let directory = "";
let ports: readonly number[] = [];
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-start-"));
  chmodSync(directory, 0o711);
  ports = await freePorts(5);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const state = (): string => join(directory, "state");
function start(...more: string[]): Program {
  const [rest, grpc, agents, mcp, health] = ports;
  return new Program({
    name: "npm start",
    command: process.execPath,
    args: [
      ...[join(ROOT, "scripts/start.mjs"), "--state", state()],
      ...[
        "--rest-port",
        `${rest}`,
        "--grpc-port",
        `${grpc}`,
        "--agent-port",
        `${agents}`,
        "--mcp-port",
        `${mcp}`,
      ],
      ...["--agent-health-port", `${health}`, ...more],
    ],
  });
}
const READY = /Ctrl-C stops everything/;

describe("npm start", () => {
  test("runs the whole house and tells where it is, with a first fact about this machine", async () => {
    const program = start();
    await program.prints(READY, 120_000);
    const text = program.text();
    for (const port of ports.slice(0, 4)) expect(text).toContain(String(port));
    expect(text).toContain(state());
    expect(text).toMatch(/\/ \d+ % full/);
    expect(text).toMatch(/\d+ alerts? firing/);
    expect(text).not.toMatch(/mst_[0-9a-z]/i);
    expect(statSync(join(state(), "operator-token")).mode & 0o077).toBe(0);

    const second = start();
    expect(await second.end()).not.toBe(0);
    expect(second.text()).toContain(state());
    expect(second.text().trim().split("\n")).toHaveLength(1);

    program.kill("SIGINT");
    expect(await program.end()).toBe(0);
  }, 180_000);

  test("started again goes on with its state", async () => {
    const program = start();
    await program.prints(READY, 120_000);
    const token = readFileSync(join(state(), "operator-token"), "utf8").trim();
    const response = await fetch(`http://127.0.0.1:${ports[0]}/api/mainstay/v1/nodes`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { nodes } = (await response.json()) as { nodes: unknown[] };
    expect(nodes).toHaveLength(1);
    program.kill("SIGINT");
    expect(await program.end()).toBe(0);
  }, 180_000);

  test("says in one sentence that a port is taken, and by which flag to change it", async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(ports[0], "127.0.0.1", done));
    const program = start();
    expect(await program.end()).not.toBe(0);
    expect(program.text()).toMatch(new RegExp(`${ports[0]}.*--rest-port|--rest-port.*${ports[0]}`));
    expect(program.text().trim().split("\n")).toHaveLength(1);
    await new Promise((done) => server.close(done));
  });

  test("has help", async () => {
    const program = start("--help");
    expect(await program.end()).toBe(0);
    expect(program.text()).toContain("--state");
  });
});
