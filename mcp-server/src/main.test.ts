import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { FakeControlPlane } from "./testing/fake-control-plane.js";
import { ERAS, textOf } from "./testing/house.js";
import { catalogue } from "./tools/catalogue.js";
import { DEFAULT_TOOLSETS } from "./tools/offer.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = join(root, "mcp-server/dist/main.js");
const fake = new FakeControlPlane();
const scratch = mkdtempSync(join(tmpdir(), "mcp-main-"));
const children: ChildProcess[] = [];

beforeAll(async () => {
  // The program as it ships is what was compiled: compile what is not up to date.
  execFileSync(process.execPath, [join(root, "node_modules/tsgo/bin/tsc"), "-b", join(root, "mcp-server")]);
  await fake.start();
}, 120_000);
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(() => {
  fake.stop();
  rmSync(scratch, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env["PATH"] ?? "", MAINSTAY_CONTROL_PLANE: fake.address, ...env },
  });
  children.push(child);
  let out = "";
  let err = "";
  child.stdout.on("data", (bytes) => {
    out += String(bytes);
  });
  child.stderr.on("data", (bytes) => {
    err += String(bytes);
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  const ready = async (): Promise<Record<string, unknown>> => {
    for (let i = 0; i < 200; i++) {
      const line = out.split("\n").find((candidate) => candidate.includes("mcp server ready"));
      if (line !== undefined) return JSON.parse(line);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not ready: ${out}${err}`);
  };
  return { child, ended, ready };
}

describe("over HTTP", () => {
  test("says when it is ready and on which port, and ends with 0 on SIGTERM", async () => {
    const { child, ended, ready } = start(["--port", "0"]);
    const line = await ready();
    expect(line).toMatchObject({
      level: "info",
      sentence: "mcp server ready",
      transport: "http",
      port: expect.any(Number),
    });
    expect((await fetch(`http://127.0.0.1:${line["port"]}/health`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0, err: "" });
  });

  test("a taken port is one clear sentence and exit code 1", async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) =>
      other.listen(0, "127.0.0.1", () => {
        const address = other.address();
        resolve(typeof address === "object" ? (address?.port ?? 0) : 0);
      }),
    );
    const { code, out, err } = await start(["--port", String(port)]).ended;
    other.close();
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toBe(
      `mainstay-mcp-server: port ${port} on 127.0.0.1 is taken: stop what listens there, or choose another with --port\n`,
    );
  });

  test("a file that is not there is named, with what it is for", async () => {
    const { code, err } = await start(["--control-plane-ca", join(scratch, "no.pem")]).ended;
    expect(code).toBe(1);
    expect(err).toMatch(
      /^mainstay-mcp-server: cannot read the control plane's CA from .*no\.pem: ENOENT.*\n$/,
    );
  });
});

test("--help lists every option and its variable; wrong ones are all named, with exit code 2", async () => {
  const help = await start(["--help"]).ended;
  expect(help.code).toBe(0);
  expect(help.out).toContain("--control-plane HOST:PORT");
  expect(help.out).toContain("MAINSTAY_TOKEN_FILE");
  const wrong = await start(["--prot", "1"], { MAINSTAY_MCP_PORT: "70000", MAINSTAY_LOG_LEVEL: "loud" })
    .ended;
  expect(wrong.code).toBe(2);
  expect(wrong.err.trim().split("\n")).toHaveLength(3);
});

describe("on stdio", () => {
  const tokenFile = join(scratch, "token");
  writeFileSync(tokenFile, "operator-token\n", { mode: 0o600 });

  const connect = async (era: (typeof ERAS)[number]) => {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [program, "--stdio", "--allow-writes"],
      env: {
        PATH: process.env["PATH"] ?? "",
        MAINSTAY_CONTROL_PLANE: fake.address,
        MAINSTAY_TOKEN_FILE: tokenFile,
      },
      stderr: "pipe",
    });
    let log = "";
    transport.stderr?.on("data", (bytes) => {
      log += String(bytes);
    });
    const modern = era === "2026-07-28";
    const client = new Client(
      { name: "test", version: "1" },
      modern ? { versionNegotiation: { mode: { pin: era } } } : {},
    );
    await client.connect(transport);
    return { client, log: () => log };
  };

  test.each(ERAS)("a client of %s lists the tools and calls one as the token's owner", async (era) => {
    const { client, log } = await connect(era);
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(
      catalogue.filter((tool) => DEFAULT_TOOLSETS.includes(tool.toolset)).map((tool) => tool.name),
    );
    const result = await client.callTool({
      name: "health_overview",
      arguments: {},
      _meta: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` },
    });
    expect(textOf(result)).toContain("Overall degraded");
    expect(fake.heardOf("GetOverview").at(-1)).toMatchObject({
      token: "operator-token",
      traceparent: expect.stringMatching(/^00-a{32}-(?!b{16})/),
    });
    await client.close();
    expect(log()).toContain("mcp server ready");
  });

  test("stdout carries the protocol and nothing else; the end of stdin is the end", async () => {
    const { child, ended } = start(["--stdio"], { MAINSTAY_TOKEN: "operator-token" });
    child.stdin?.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\nnot json\n');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    child.stdin?.end();
    const { code, out, err } = await ended;
    expect(code).toBe(0);
    for (const line of out.trim().split("\n")) expect(JSON.parse(line)).toMatchObject({ jsonrpc: "2.0" });
    expect(err).toContain("mcp server stopped");
    expect(err).not.toContain("operator-token");
  });

  test("without a token it does not start", async () => {
    const { code, err } = await start(["--stdio"]).ended;
    expect(code).toBe(2);
    expect(err).toBe(
      "mainstay-mcp-server: --stdio needs the caller's token: set MAINSTAY_TOKEN_FILE or MAINSTAY_TOKEN\n",
    );
  });
});

test("the version is the package's", async () => {
  const own: unknown = JSON.parse(readFileSync(join(root, "mcp-server/package.json"), "utf8"));
  const line = await start(["--port", "0"]).ready();
  expect(line["version"]).toBe((own as { version: string }).version);
});
