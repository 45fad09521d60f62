/** The agent as a process of its own, from its bundle, in a directory of its own: to be started, killed and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { FakeControlPlane } from "./fake-control-plane.js";

const source = fileURLToPath(new URL("../main.ts", import.meta.url));
let bundled: Promise<string> | undefined;

/** Bundles the agent once for all tests of a run; as agent/esbuild.mjs does, but unminified and elsewhere. */
export function agentBundle(): Promise<string> {
  bundled ??= (async () => {
    const directory = mkdtempSync(join(tmpdir(), "mainstay-agent-bundle-"));
    process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
    await build({
      entryPoints: { agent: source },
      outdir: directory,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      target: "node20",
      conditions: ["source"],
      external: ["pg-native", "pg-cloudflare"],
      banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
      logLevel: "error",
    });
    return join(directory, "agent.mjs");
  })();
  return bundled;
}

export class AgentProcess {
  readonly directory = mkdtempSync(join(tmpdir(), "mainstay-agent-"));
  readonly stateDir = join(this.directory, "state");
  readonly configFile = join(this.directory, "agent.yaml");
  readonly lines: string[] = [];
  #child: ChildProcess | undefined;

  /** Writes the configuration; JSON is YAML. `more` goes over the defaults. */
  configure(fake: FakeControlPlane, more: Readonly<Record<string, unknown>> = {}): void {
    const config = {
      controlPlane: { agents: `127.0.0.1:${fake.agentsPort}`, enroll: `127.0.0.1:${fake.enrollPort}` },
      joinToken: fake.authority.joinToken(),
      nodeName: "test-node",
      stateDir: this.stateDir,
      intervalMs: 1000,
      health: { port: 0 },
      collect: { certificates: { files: [] } },
      ...more,
    };
    writeFileSync(this.configFile, JSON.stringify(config));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const bundle = await agentBundle();
    const child = spawn(process.execPath, [bundle, "--config", this.configFile], {
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => this.lines.push(...text.trimEnd().split("\n")));
    }
    await until(
      "the agent is ready",
      () => this.lines.some((line) => line.includes("agent ready")) || child.exitCode !== null,
    );
  }

  /** Has the configuration checked by a process of its own. */
  async check(): Promise<{ readonly code: number | null; readonly said: string }> {
    const child = spawn(process.execPath, [await agentBundle(), "--config", this.configFile, "--check"], {
      env: { PATH: process.env["PATH"] },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        said += text;
      });
    }
    const code = await new Promise<number | null>((resolve) => child.once("close", (exit) => resolve(exit)));
    return { code, said };
  }

  /** Ends it as a crash would, and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    const gone = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill(signal);
    return gone;
  }
}

/** Waits until something is so; rejects with its name when it takes too long. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = 20_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
