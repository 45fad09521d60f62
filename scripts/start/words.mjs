import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup/repository.mjs";
import { oneLine } from "./log-line.mjs";

/**
 * What a person sees when all is up: where everything is, and how an MCP client comes in. The token itself is shown
 * only when it was asked for; whoever looks over the shoulder sees a file's name.
 * @param {import("./options.mjs").Options} options
 * @param {{ operatorTokenFile: string, mcpTokenFile: string }} files
 * @returns {string[]}
 */
export function welcome({ ports, state, showToken }, { operatorTokenFile, mcpTokenFile }) {
  const stdioClient = {
    mainstay: {
      command: "node",
      args: [join(root, "mcp-server", "dist", "main.js"), "--stdio"],
      env: {
        MAINSTAY_CONTROL_PLANE: `127.0.0.1:${ports.grpc}`,
        MAINSTAY_TOKEN_FILE: mcpTokenFile,
      },
    },
  };
  return [
    "",
    "Mainstay is up.",
    `  REST    http://127.0.0.1:${ports.rest}`,
    `  gRPC    127.0.0.1:${ports.grpc}  (agents: 127.0.0.1:${ports.agents})`,
    `  MCP     http://127.0.0.1:${ports.mcp}/mcp  (Authorization: Bearer <what is in ${mcpTokenFile}>)`,
    `  token   ${operatorTokenFile}  (yours: an administrator; what an AI client asks for, you approve)`,
    ...(showToken ? [`          ${readFileSync(operatorTokenFile, "utf8").trim()}`] : []),
    `  state   ${state}  (logs in ${join(state, "logs")})`,
    `  for an MCP client that starts its servers:  ${JSON.stringify({ mcpServers: stdioClient })}`,
  ];
}

/**
 * The first fact about this machine, or why there is none yet.
 * @param {string[] | string} facts
 * @returns {string}
 */
export function firstFact(facts) {
  if (typeof facts === "string") return `This machine: nothing to tell yet (${oneLine(facts)}).`;
  return `This machine: ${oneLine(facts.join(", "))}.`;
}
