import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {import("./options.mjs").Options} Options
 * @typedef {{ operatorTokenFile: string, mcpTokenFile: string, scrapeTokenFile: string, caFile: string }} Files made by the control plane; absolute paths.
 */

/** @param {string} state */
export const agentState = (state) => join(state, "agent");
/** @param {string} state */
export const joinTokenFile = (state) => join(state, "join-token");
/** @param {string} state */
export const scratch = (state) => join(state, "scratch");

/**
 * The configuration of this machine's agent: it sends what it reads here and what the three programs say about
 * themselves, and may clean one directory of our own. Pure.
 * @param {Options} options
 * @param {Files} files
 * @param {boolean} joining whether a join token lies ready
 */
export function agentConfig({ ports, state }, files, joining) {
  /**
   * @param {string} job
   * @param {number} port
   * @param {string} bearerTokenFile
   */
  const target = (job, port, bearerTokenFile) => ({
    job,
    url: `http://127.0.0.1:${port}/metrics`,
    bearerTokenFile,
  });
  return {
    controlPlane: { agents: `127.0.0.1:${ports.agents}`, enroll: `127.0.0.1:${ports.grpc}` },
    ...(joining ? { joinTokenFile: joinTokenFile(state) } : {}),
    stateDir: agentState(state),
    health: { host: "127.0.0.1", port: ports.agentHealth },
    collect: {
      scrape: [
        target("mainstay-control-plane", ports.rest, files.scrapeTokenFile),
        target("mainstay-agent", ports.agentHealth, join(agentState(state), "probe-token")),
        target("mcp-server", ports.mcp, files.scrapeTokenFile),
      ],
    },
    actions: { cleanDirectory: { roots: [scratch(state)] }, collectDiagnostics: { enabled: true } },
  };
}

/**
 * The text of the agent's file. JSON is YAML, and needs no library here.
 * @param {ReturnType<typeof agentConfig>} config
 */
export function agentFileText(config) {
  return `# Written anew at every npm start. An agent elsewhere has a file of its own: mainstay-agent --help\n${JSON.stringify(config, null, 2)}\n`;
}

/**
 * Whether the agent has an identity that still holds; without one it needs a join token.
 * @param {string} state
 * @param {number} now ms since the epoch
 * @returns {boolean}
 */
export function hasIdentity(state, now) {
  try {
    /** @type {unknown} */
    const identity = JSON.parse(readFileSync(join(agentState(state), "identity.json"), "utf8"));
    const { certificatePem } = /** @type {{ certificatePem?: unknown }} */ (identity);
    return (
      typeof certificatePem === "string" && Date.parse(new X509Certificate(certificatePem).validTo) > now
    );
  } catch {
    return false;
  }
}
