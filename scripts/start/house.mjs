import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup/repository.mjs";
import { agentConfig, agentFileText, hasIdentity, joinTokenFile, scratch } from "./agent-file.mjs";
import { ControlPlaneClient } from "./control-plane-client.mjs";
import { remember } from "./leftovers.mjs";
import { CannotStart } from "./preflight.mjs";
import { Program } from "./program.mjs";

/**
 * @typedef {import("./options.mjs").Options} Options
 * @typedef {import("./agent-file.mjs").Files} Files
 */

/** A first start makes a database cluster, on a busy machine with a slow disk. */
const readyTimeoutMs = 180_000;
/** Each program promises to end within 10 s. */
const patienceMs = 20_000;

/** The three programs on this machine, started in order and stopped in the other order. */
export class House {
  /**
   * @param {Options} options
   * @param {Record<string, string | undefined>} env
   * @param {(line: string) => void} say takes one line
   */
  constructor(options, env, say) {
    this.options = options;
    this.env = env;
    this.say = say;
    /** @type {Program[]} those that were started, in order */
    this.programs = [];
    /** @type {Promise<never>} rejects with CannotStart when one of them ends by itself */
    this.anyEnds = new Promise((_, reject) => {
      this.#oneEnded = reject;
    });
    // It is awaited only once all are up; before that whenReady() tells.
    this.anyEnds.catch(() => {});
  }

  /** @type {(reason: CannotStart) => void} */
  #oneEnded = () => {};
  #stopping = false;

  /**
   * @param {string} name
   * @param {readonly string[]} args
   * @param {Record<string, string | undefined>} env
   * @param {string} [readySentence]
   */
  #start(name, args, env, readySentence) {
    const program = new Program(
      {
        name,
        args,
        env: { ...this.env, ...env },
        logFile: join(this.options.state, "logs", `${name.toLowerCase().replaceAll(" ", "-")}.log`),
        readySentence,
      },
      this.say,
    );
    this.programs.push(program);
    const running = this.programs.flatMap(({ plan, pid }) =>
      pid === undefined ? [] : [{ name: plan.name, pid }],
    );
    remember(this.options.state, running);
    void program.ended.then((how) => {
      if (!this.#stopping) this.#oneEnded(new CannotStart(`the ${name} ${how}: ${program.lastWords}`));
    });
    return program;
  }

  /**
   * Starts the control plane and waits for it. Throws CannotStart.
   * @param {AbortSignal} stopping
   * @returns {Promise<Files>}
   */
  async startControlPlane(stopping) {
    const { ports, state } = this.options;
    const database = (this.env["DATABASE_URL"] ?? "") === "" ? ["--embedded"] : [];
    const listen = [
      ...["--host", "127.0.0.1", "--rest-port", String(ports.rest)],
      ...["--grpc-port", String(ports.grpc), "--agent-port", String(ports.agents)],
    ];
    const main = join(root, "control-plane", "dist", "main.js");
    const args = ["--enable-source-maps", main, ...database, "--state", state, ...listen];
    const program = this.#start("control plane", args, {}, "control plane ready");
    const said = await program.whenReady(readyTimeoutMs, stopping);
    const { operatorTokenFile, mcpTokenFile, scrapeTokenFile, caFile } = said;
    if (
      typeof operatorTokenFile !== "string" ||
      typeof mcpTokenFile !== "string" ||
      typeof scrapeTokenFile !== "string" ||
      typeof caFile !== "string"
    ) {
      throw new CannotStart("the control plane is ready and did not say where its tokens and its CA are");
    }
    return { operatorTokenFile, mcpTokenFile, scrapeTokenFile, caFile };
  }

  /**
   * Starts this machine's agent, with a join token when it has no identity yet. Throws CannotStart.
   * @param {Files} files
   * @param {ControlPlaneClient} client
   */
  async startAgent(files, client) {
    const { state } = this.options;
    const joining = !hasIdentity(state, Date.now());
    if (joining) writeFileSync(joinTokenFile(state), await client.createJoinToken(), { mode: 0o600 });
    else rmSync(joinTokenFile(state), { force: true });
    mkdirSync(scratch(state), { recursive: true });
    const file = join(state, "agent.yaml");
    writeFileSync(file, agentFileText(agentConfig(this.options, files, joining)), { mode: 0o600 });
    // A ceiling, not a wish: an agent that needs more than this is broken.
    const args = [
      ...["--max-old-space-size=64", "--max-semi-space-size=1"],
      ...[join(root, "agent", "dist", "agent.mjs"), "--config", file],
    ];
    this.#start("agent", args, {});
  }

  /**
   * Starts the MCP server and waits for it. Throws CannotStart.
   * @param {AbortSignal} stopping
   */
  async startMcpServer(stopping) {
    const { ports } = this.options;
    const args = ["--enable-source-maps", join(root, "mcp-server", "dist", "main.js")];
    const env = {
      MAINSTAY_CONTROL_PLANE: `127.0.0.1:${ports.grpc}`,
      MAINSTAY_MCP_PORT: String(ports.mcp),
    };
    await this.#start("MCP server", args, env, "mcp server ready").whenReady(readyTimeoutMs, stopping);
  }

  /** Stops what was started, the last first, and waits for each. */
  async stop() {
    this.#stopping = true;
    for (const program of this.programs.toReversed()) await program.stop(patienceMs);
    remember(this.options.state, []);
  }

  /** Ends everything at once: the person asked twice. */
  kill() {
    this.#stopping = true;
    for (const program of this.programs) program.kill();
  }
}
