/** A whole house on free ports: an embedded control plane, agents, the MCP server; all real processes. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Link } from "./link.js";
import type { Network } from "./network.js";
import { Operator } from "./operator.js";
import { freePorts } from "./ports.js";
import { Program } from "./program.js";

// Compiled, this file lies one folder deeper.
const ROOT = resolve(
  import.meta.dirname,
  import.meta.dirname.endsWith("dist/harness") ? "../../.." : "../..",
);

export interface StackOptions {
  /** YAML of a rule file. @default one group without rules */
  readonly rules?: string;
  /** YAML. @default none */
  readonly remediation?: string;
  /** YAML. @default everything is allowed */
  readonly policy?: string;
  /** YAML of alertmanager.yml. @default nobody is told */
  readonly alertmanager?: string;
  /** Further arguments of the control plane. */
  readonly args?: readonly string[];
  /** Further environment of the control plane. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further environment of the agents. */
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** Where the state lives. @default a new temporary directory, removed at the end */
  readonly state?: string;
  /** An existing database instead of an embedded one. */
  readonly databaseUrl?: string;
  /** Hosts of their own for the control plane (`control-plane`) and each agent, by name; REST is not reached then. */
  readonly network?: Pick<Network, "on" | "address">;
}

export const ALLOW_ALL = "rules: [{ name: everything, verdict: allow }]\n";

export class Stack {
  readonly directory: string;
  readonly state: string;
  readonly ports: {
    readonly rest: number;
    readonly grpc: number;
    readonly agents: number;
    readonly link: number;
    readonly mcp: number;
  };
  readonly #options: StackOptions;
  readonly #agents = new Map<string, Program>();
  readonly #closers: (() => unknown)[] = [];
  #controlPlane: Program | undefined;
  #mcpServer: Program | undefined;
  #link: Link | undefined;

  private constructor(directory: string, options: StackOptions, ports: readonly number[]) {
    this.directory = directory;
    this.state = options.state ?? join(directory, "state");
    this.#options = options;
    const [rest = 0, grpc = 0, agents = 0, link = 0, mcp = 0] = ports;
    this.ports = { rest, grpc, agents, link, mcp };
  }

  /** Starts the control plane and waits until it is ready. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const directory = mkdtempSync(join(tmpdir(), "mainstay-e2e-"));
    // For root, PostgreSQL runs as nobody, who must be able to pass through.
    chmodSync(directory, 0o711);
    const stack = new Stack(directory, options, await freePorts(5));
    const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);
    write("rules.yaml", options.rules ?? "groups: []\n");
    write("remediation.yaml", options.remediation ?? "rules: []\n");
    write("policy.yaml", options.policy ?? ALLOW_ALL);
    if (options.alertmanager !== undefined) write("alertmanager.yml", options.alertmanager);
    try {
      await stack.startControlPlane();
      if (options.network === undefined) {
        stack.#link = await Link.open(stack.ports.link, stack.ports.agents);
      }
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  get controlPlane(): Program {
    if (this.#controlPlane === undefined) throw new Error("the control plane was not started");
    return this.#controlPlane;
  }

  /** The agents' way to the control plane. */
  get link(): Link {
    if (this.#link === undefined) throw new Error("there is no link yet");
    return this.#link;
  }

  async startControlPlane(): Promise<Program> {
    const { rest, grpc, agents } = this.ports;
    const { network } = this.#options;
    const file = (name: string): string => join(this.directory, name);
    this.#controlPlane = new Program({
      name: "control plane",
      ...this.#command("control-plane", [
        ...[join(ROOT, "control-plane/dist/main.js"), "--state", this.state],
        ...(network === undefined ? [] : ["--host", network.address("control-plane")]),
        ...(this.#options.databaseUrl === undefined
          ? ["--embedded"]
          : ["--database-url", this.#options.databaseUrl]),
        ...["--rest-port", `${rest}`, "--grpc-port", `${grpc}`, "--agent-port", `${agents}`],
        ...[
          "--rules",
          file("rules.yaml"),
          "--remediation",
          file("remediation.yaml"),
          "--policy",
          file("policy.yaml"),
        ],
        ...(this.#options.alertmanager === undefined ? [] : ["--alertmanager", file("alertmanager.yml")]),
        ...(this.#options.args ?? []),
      ]),
      env: this.#options.env ?? {},
    });
    await this.#controlPlane.says("control plane ready", 60_000);
    return this.#controlPlane;
  }

  /** One of our programs, on the host that it has. */
  #command(host: string, args: readonly string[]): { command: string; args: readonly string[] } {
    const [command = process.execPath, ...before] = [
      ...(this.#options.network?.on(host) ?? []),
      process.execPath,
    ];
    return { command, args: [...before, ...args] };
  }

  /** The embedded database's address, for another replica. */
  get databaseUrl(): string {
    return `postgresql://mainstay@localhost/postgres?${new URLSearchParams({ host: join(this.state, "postgres/run") })}`;
  }

  /** The local user: an administrator. */
  operator(): Operator {
    return this.#operatorWith(readFileSync(join(this.state, "operator-token"), "utf8").trim());
  }

  /** Someone else, with roles of their own. */
  async person(name: string, roles: readonly number[]): Promise<Operator> {
    const { token } = await this.operator()
      .access()
      .createToken({ name, roles: [...roles] });
    return this.#operatorWith(token);
  }

  #operatorWith(token: string): Operator {
    const host = this.#options.network?.address("control-plane");
    const over =
      host === undefined ? undefined : { host, caPem: readFileSync(join(this.state, "ca.pem"), "utf8") };
    const operator = new Operator(token, this.ports.grpc, this.ports.rest, over);
    this.#closers.push(() => operator.close());
    return operator;
  }

  agentState(name: string): string {
    return join(this.directory, `agent-${name}`);
  }

  /** Starts (or starts again) an agent; it enrolls with a join token the first time. `config` adds to its file. */
  async startAgent(
    name: string,
    config: Readonly<Record<string, unknown>> = {},
    joins = true,
  ): Promise<Program> {
    const file = join(this.directory, `agent-${name}.yaml`);
    mkdirSync(this.agentState(name), { recursive: true, mode: 0o700 });
    const joinToken = joins
      ? (await this.operator().fleet().createJoinToken({ nodeName: name })).token
      : undefined;
    const host = this.#options.network?.address("control-plane") ?? "127.0.0.1";
    const agents = this.#options.network === undefined ? this.ports.link : this.ports.agents;
    writeFileSync(
      file,
      JSON.stringify({
        controlPlane: { agents: `${host}:${agents}`, enroll: `${host}:${this.ports.grpc}` },
        nodeName: name,
        stateDir: this.agentState(name),
        intervalMs: 1_000,
        health: "off",
        ...(joinToken === undefined ? {} : { joinToken }),
        ...config,
      }),
    );
    return this.restartAgent(name);
  }

  /** Starts an agent with the file and state it had. */
  restartAgent(name: string): Program {
    const program = new Program({
      name: `agent ${name}`,
      ...this.#command(name, [
        join(ROOT, "agent/dist/agent.mjs"),
        "--config",
        join(this.directory, `agent-${name}.yaml`),
      ]),
      env: this.#options.agentEnv ?? {},
    });
    this.#agents.set(name, program);
    return program;
  }

  agent(name: string): Program {
    const program = this.#agents.get(name);
    if (program === undefined) throw new Error(`there is no agent ${name}`);
    return program;
  }

  /** Starts the MCP server over HTTP; answers its URL. `env` adds to its environment. */
  async startMcpServer(env: Readonly<Record<string, string>> = {}): Promise<URL> {
    const program = new Program({
      name: "MCP server",
      command: process.execPath,
      args: [join(ROOT, "mcp-server/dist/main.js")],
      env: {
        MAINSTAY_CONTROL_PLANE: `127.0.0.1:${this.ports.grpc}`,
        MAINSTAY_MCP_PORT: `${this.ports.mcp}`,
        MAINSTAY_MCP_ALLOW_WRITES: "true",
        ...env,
      },
    });
    this.#mcpServer = program;
    this.#closers.push(() => program.stop());
    await program.says("mcp server ready");
    return new URL(`http://127.0.0.1:${this.ports.mcp}/mcp`);
  }

  get mcpServer(): Program {
    if (this.#mcpServer === undefined) throw new Error("the MCP server was not started");
    return this.#mcpServer;
  }

  /** Something to undo at the end. */
  atEnd(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Takes all down; the last first. */
  async stop(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
    await Promise.all([...this.#agents.values()].map((agent) => agent.stop()));
    await this.#link?.close();
    await this.#controlPlane?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
