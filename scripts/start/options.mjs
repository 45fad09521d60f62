import { isAbsolute, join, resolve } from "node:path";

/** Every port that is opened: its flag, what it is for, and its place after the base. */
export const portPlan = /** @type {const} */ ([
  { name: "rest", flag: "--rest-port", purpose: "REST, the Prometheus API and the probes", offset: 0 },
  { name: "grpc", flag: "--grpc-port", purpose: "operator gRPC", offset: 1 },
  { name: "agents", flag: "--agent-port", purpose: "the agents' streams", offset: 2 },
  { name: "mcp", flag: "--mcp-port", purpose: "MCP clients", offset: 3 },
  { name: "agentHealth", flag: "--agent-health-port", purpose: "the agent's probes", offset: 4 },
]);

/** The port of REST when none is given; the others follow it. */
export const portBaseDefault = 7480;

/**
 * @typedef {(typeof portPlan)[number]["name"]} PortName
 * @typedef {{ ports: Record<PortName, number>, state: string, showToken: boolean }} Options
 *   state: an absolute path.
 * @typedef {{ env: Record<string, string | undefined>, home: string, isRoot: boolean, cwd: string }} Surroundings
 * @typedef {{ kind: "help" } | { kind: "faults", faults: string[] } | { kind: "run", options: Options }} CommandLine
 */

export const helpText = `npm start: the control plane, an agent for this machine and the MCP server, together.

  npm start -- [options]

  --state DIR              where keys, tokens, logs and the embedded database live
                           (or MAINSTAY_STATE; default /var/lib/mainstay for root, else ~/.local/state/mainstay)
  --port-base N            the first of five ports in a row (default ${portBaseDefault})
${portPlan.map(({ flag, purpose, offset }) => `  ${`${flag} N`.padEnd(24)} ${purpose} (default base + ${offset})`).join("\n")}
  --show-token             print the operator's token, which is otherwise only in its file
  --help                   this text

Everything listens on 127.0.0.1 only. Ctrl-C stops all three in order; the next start goes on with the same state.
DATABASE_URL, REDIS_URL and VAULT_ADDR go to the control plane: with them it uses those instead of its own.
Exit codes: 0 asked to stop; 1 could not start, or one of the three ended; 2 the command line is wrong.
`;

/**
 * What the command line asks for. All faults are reported together. Pure.
 * @param {readonly string[]} args without node and script
 * @param {Surroundings} around
 * @returns {CommandLine}
 */
export function readCommandLine(args, around) {
  /** @type {string[]} */
  const faults = [];
  /** @type {Map<string, string>} */
  const values = new Map();
  const takesValue = new Set(["--state", "--port-base", ...portPlan.map(({ flag }) => flag)]);
  let showToken = false;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    const [flag = "", ...rest] = arg.split("=");
    if (arg === "--help" || arg === "-h") return { kind: "help" };
    if (arg === "--show-token") showToken = true;
    else if (!takesValue.has(flag)) faults.push(`${arg}: no such option; npm start -- --help lists them`);
    else {
      const value = arg.includes("=") ? rest.join("=") : args[++index];
      if (value === undefined || value === "" || value.startsWith("--")) {
        faults.push(`${flag}: expected a value after it`);
      } else values.set(flag, value);
    }
  }
  const ports = planPorts(values, faults);
  const state = values.get("--state") ?? (around.env["MAINSTAY_STATE"] || stateDefault(around));
  if (faults.length > 0) return { kind: "faults", faults };
  return { kind: "run", options: { ports, state: resolve(around.cwd, state), showToken } };
}

/** @param {Surroundings} around */
function stateDefault({ env, home, isRoot }) {
  if (isRoot) return "/var/lib/mainstay";
  const base = env["XDG_STATE_HOME"] ?? "";
  // The XDG specification: a relative path is no path.
  return join(isAbsolute(base) ? base : join(home, ".local", "state"), "mainstay");
}

/**
 * @param {ReadonlyMap<string, string>} values
 * @param {string[]} faults
 * @returns {Record<PortName, number>}
 */
function planPorts(values, faults) {
  const last = portPlan.length - 1;
  const base = readNumber("--port-base", values.get("--port-base"), portBaseDefault, 65_535 - last, faults);
  /** @type {Record<PortName, number>} */
  const ports = { rest: 0, grpc: 0, agents: 0, mcp: 0, agentHealth: 0 };
  /** @type {Map<number, string>} */
  const taken = new Map();
  for (const { name, flag, offset } of portPlan) {
    const port = readNumber(flag, values.get(flag), base + offset, 65_535, faults);
    const other = taken.get(port);
    if (other !== undefined)
      faults.push(`${flag} is ${port}, and so is ${other}: expected five different ports`);
    taken.set(port, flag);
    ports[name] = port;
  }
  return ports;
}

/**
 * @param {string} flag
 * @param {string | undefined} text
 * @param {number} fallback
 * @param {number} most
 * @param {string[]} faults
 */
function readNumber(flag, text, fallback, most, faults) {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  faults.push(`${flag} is "${text}", expected a whole number from 1 to ${most}`);
  return fallback;
}
