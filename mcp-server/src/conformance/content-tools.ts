/** The suite's tools for each kind of content, errors, progress, logs and schemas. */
import { fromJsonSchema, type McpServer } from "@modelcontextprotocol/server";
import type { Clock } from "../system.js";
import { RED_PIXEL, SILENCE, said } from "./samples.js";

const STEP_MS = 50;

/** JSON Schema's word; written as a name it would make the object look like a promise. */
const THEN = "then";

const RICH_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  [THEN]: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
} as const;

const REGION_SCHEMA = {
  type: "object",
  properties: { region: { type: "string", "x-mcp-header": "Region" }, query: { type: "string" } },
  required: ["region"],
} as const;

export function addContentTools(mcp: McpServer, clock: Clock): void {
  const plain = (name: string, description: string) => ({ title: name, description });
  mcp.registerTool("test_simple_text", plain("Text", "Answers with a text."), () =>
    said("This is a simple text response for testing."),
  );
  mcp.registerTool("test_image_content", plain("Picture", "Answers with a picture."), () => ({
    content: [{ type: "image", data: RED_PIXEL, mimeType: "image/png" }],
  }));
  mcp.registerTool("test_audio_content", plain("Sound", "Answers with a sound."), () => ({
    content: [{ type: "audio", data: SILENCE, mimeType: "audio/wav" }],
  }));
  mcp.registerTool("test_embedded_resource", plain("Resource", "Answers with a resource."), () => ({
    content: [
      {
        type: "resource",
        resource: {
          uri: "test://embedded-resource",
          mimeType: "text/plain",
          text: "This is an embedded resource content.",
        },
      },
    ],
  }));
  mcp.registerTool("test_multiple_content_types", plain("Mixture", "Answers with three kinds."), () => ({
    content: [
      { type: "text", text: "Multiple content types test:" },
      { type: "image", data: RED_PIXEL, mimeType: "image/png" },
      {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: JSON.stringify({ test: "data", value: 123 }),
        },
      },
    ],
  }));
  mcp.registerTool("test_error_handling", plain("Error", "Fails."), () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
  mcp.registerTool("test_tool_with_logging", plain("Logs", "Logs three times."), async (context) => {
    await context.mcpReq.log("info", "Tool execution started");
    await clock.sleep(STEP_MS);
    await context.mcpReq.log("info", "Tool processing data");
    await clock.sleep(STEP_MS);
    await context.mcpReq.log("info", "Tool execution completed");
    return said("The tool has logged three times.");
  });
  mcp.registerTool("test_logging_tool", plain("Log", "Logs once."), async (context) => {
    await context.mcpReq.log("info", "one line");
    return said("The tool has logged once.");
  });
  mcp.registerTool("test_tool_with_progress", plain("Progress", "Tells how far it is."), async (context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await clock.sleep(STEP_MS);
      if (progressToken === undefined) continue;
      const params = { progressToken, progress, total: 100 };
      await context.mcpReq.notify({ method: "notifications/progress", params });
    }
    return said("The tool is done.");
  });
  mcp.registerTool("test_reconnection", plain("Reconnection", "Lets its stream go."), async (context) => {
    await clock.sleep(STEP_MS);
    context.http?.closeSSE?.();
    await clock.sleep(2 * STEP_MS);
    return said("The stream was closed; this came after it was opened again.");
  });
  mcp.registerTool(
    "json_schema_2020_12_tool",
    { ...plain("Schema", "Takes what a rich schema allows."), inputSchema: fromJsonSchema(RICH_SCHEMA) },
    (given) => said(JSON.stringify(given)),
  );
  mcp.registerTool(
    "test_x_mcp_header",
    {
      ...plain("Header", "Takes a parameter that a header repeats."),
      inputSchema: fromJsonSchema(REGION_SCHEMA),
    },
    (given) => said(JSON.stringify(given)),
  );
}
