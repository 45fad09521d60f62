// What everything is measured against: the official SDK's own handler, on node:http or stdio, with no more around it.
//   node bench/bare-server.mjs http|stdio TOOLS
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const [transport = "http", tools = "1"] = process.argv.slice(2);
// As wide as a tool of the product's, so that a list of 40 is comparable.
const input = z.object({
  text: z.string().max(100).describe("what to say"),
  size: z.number().int().min(1).max(500).optional().describe("how many"),
  node: z.string().max(200).optional().describe("which node"),
  state: z.enum(["firing", "pending", "resolved"]).optional().describe("which state"),
});
const output = z.object({ text: z.string(), size: z.number().optional() });

const factory = () => {
  const server = new McpServer({ name: "bare", version: "1" });
  for (let i = 0; i < Number(tools); i++) {
    server.registerTool(
      i === 0 ? "echo" : `echo_${i}`,
      { title: "Echo", description: "Answers what it was told.", inputSchema: input, outputSchema: output },
      async ({ text }) => ({ content: [{ type: "text", text }], structuredContent: { text } }),
    );
  }
  return server;
};

if (transport === "stdio") {
  serveStdio(factory);
} else {
  const handle = toNodeHandler(createMcpHandler(factory));
  const server = createServer((request, response) => handle(request, response));
  server.listen(0, "127.0.0.1", () => process.stdout.write(`ready ${server.address().port}\n`));
}
