// Clients in a closed loop: each asks again as soon as it is answered.
import { Agent, request } from "node:http";
import { performance } from "node:perf_hooks";

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};
const params = {
  "tools/call": { name: "echo", arguments: { text: "hello" }, _meta: META },
  "tools/list": { _meta: META },
};

/**
 * Asks for `ms` with `clients` at once. Answers calls, seconds and latencies in ms; throws at the first answer that is
 * not a result.
 */
export async function ask(port, method, clients, ms) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: params[method] });
  const headers = {
    authorization: "Bearer operator-token",
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": method,
    ...(method === "tools/call" ? { "mcp-name": "echo" } : {}),
    "content-length": Buffer.byteLength(body),
  };
  const latencies = [];
  const start = performance.now();
  const end = start + ms;
  const one = () =>
    new Promise((resolve, reject) => {
      const sent = request(
        { agent, host: "127.0.0.1", port, path: "/mcp", method: "POST", headers },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8");
          answer.on("data", (piece) => {
            text += piece;
          });
          answer.on("end", () => {
            if (answer.statusCode === 200 && text.includes('"result"') && !text.includes('"isError":true'))
              resolve();
            else reject(new Error(`${answer.statusCode}: ${text.slice(0, 300)}`));
          });
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  const client = async () => {
    while (performance.now() < end) {
      const began = performance.now();
      await one();
      latencies.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - start) / 1_000;
  agent.destroy();
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return { calls: latencies.length, seconds, p50: at(0.5), p99: at(0.99) };
}

/** The same over a child's stdin and stdout, with `clients` calls under way. */
export async function askStdio(child, clients, ms) {
  const waiting = new Map();
  let rest = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (piece) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { id, result } = JSON.parse(line);
      waiting.get(id)?.(result);
      waiting.delete(id);
    }
  });
  let id = 0;
  const send = (method, given) =>
    new Promise((resolve) => {
      id += 1;
      waiting.set(id, resolve);
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params: given })}\n`);
    });
  await send("server/discover", { _meta: META });
  const phase = async (length) => {
    let calls = 0;
    const start = performance.now();
    const client = async () => {
      while (performance.now() - start < length) {
        const result = await send("tools/call", params["tools/call"]);
        if (result === undefined || result.isError === true) throw new Error(JSON.stringify(result));
        calls += 1;
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    return calls / ((performance.now() - start) / 1_000);
  };
  await phase(ms / 2);
  return phase(ms);
}
