// The product with an echo tool beside its whole catalogue: Nest, doors, authentication, limits, switch, journal.
//   node bench/our-server.mjs http|stdio CONTROL_PLANE
import { readFileSync } from "node:fs";
import { z } from "zod";
import { connectControlPlane } from "../dist/control-plane/client.js";
import { growAsNeeded } from "../dist/heap.js";
import { createLogger, gatherLines } from "../dist/logger.js";
import { startHttp } from "../dist/serve-http.js";
import { startStdio } from "../dist/serve-stdio.js";
import { system } from "../dist/system.js";
import { catalogue } from "../dist/tools/catalogue.js";
import { READ_ONLY } from "../dist/tools/offer.js";
import { defineTool } from "../dist/tools/tool.js";

const [transport = "http", address = "", tools = "0"] = process.argv.slice(2);
const echo = (name) =>
  defineTool({
    name,
    toolset: "health",
    title: "Echo",
    description: "Answers what it was told.",
    input: z.object({
      text: z.string().max(100).describe("what to say"),
      size: z.number().int().min(1).max(500).optional().describe("how many"),
      node: z.string().max(200).optional().describe("which node"),
      state: z.enum(["firing", "pending", "resolved"]).optional().describe("which state"),
    }),
    output: z.object({ text: z.string(), size: z.number().optional() }),
    effect: "read",
    idempotent: true,
    hostMade: [],
    run: async ({ text }) => ({ structured: { text }, summary: text }),
  });
const fill = Math.max(0, Number(tools) - catalogue.length - 1);
const all = [...catalogue, echo("echo"), ...Array.from({ length: fill }, (_, i) => echo(`echo_${i}`))];

growAsNeeded();
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const logger = createLogger(system.clock, gatherLines(process.stderr, system.clock).write, "info");
const controlPlane = connectControlPlane({ address, security: "plaintext", timeoutMs: 10_000 });
const limits = { costPerMinute: 100_000_000, atOnce: 64 };
const shared = {
  ...{ controlPlane, limits, logger, system, version, tools: all },
  offer: { ...READ_ONLY, writes: true },
};
if (transport === "stdio") {
  const server = startStdio({
    ...shared,
    token: "operator-token",
    messageBytesMax: 1_048_576,
    input: process.stdin,
    output: process.stdout,
  });
  await server.ended;
  process.exit(0);
}
const server = await startHttp({
  ...shared,
  config: {
    host: "127.0.0.1",
    port: 0,
    allowedHosts: [],
    allowedOrigins: [],
    bodyBytesMax: 1_048_576,
    webSocket: { heartbeatMs: 30_000, timeoutMs: 60_000 },
  },
  tls: undefined,
  processMetrics: true,
});
process.stdout.write(`ready ${server.port}\n`);
