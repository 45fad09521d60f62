/** What a tool is: name, words, shapes in and out, effect, and the work. */
import type {
  CallToolResult,
  McpServer,
  ServerContext,
  StandardSchemaWithJSON,
  Tool as ToolDefinition,
} from "@modelcontextprotocol/server";
import type { z } from "zod";
import type { Rooms } from "../control-plane/client.js";
import type { Task } from "../protocol/task.js";
import type { Offer, Toolset } from "./offer.js";
import { inputJson, outputJson } from "./schema-json.js";

/** What a tool's work may use. */
export interface ToolContext {
  /** The control plane, on behalf of the caller. */
  readonly rooms: Rooms;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** That many random hex digits. */
  readonly hex: (digits: number) => string;
  /** What the caller is offered. */
  readonly offer: Offer;
  /** Has the call answered with a task in place of its answer. Absent when the client knows no tasks. */
  readonly beginTask?: (task: Task) => void;
  /** Resolves after `ms`, or at once when the call is cancelled. */
  sleep(ms: number): Promise<void>;
  /** Tells a client that asked for it how things go. */
  progress(message: string): Promise<void>;
}

/** A tool's answer, for programs and for readers. */
export interface Answer<T> {
  readonly structured: T;
  /** Our own words and numbers, first. */
  readonly summary: string;
  /** What hosts and people said, as compact text; it is marked as data. */
  readonly data?: string;
}

export interface ToolSpec<I extends z.ZodType, O extends z.ZodType> {
  readonly name: string;
  readonly toolset: Toolset;
  readonly title: string;
  /** Fixed words: nothing of the running system may stand here, for models read it as instructions. */
  readonly description: string;
  readonly input: I;
  readonly output: O;
  /** `write`: what it asks for may change a machine, once a person has approved it. */
  readonly effect: "read" | "write";
  /** Whether asking twice is as good as asking once. */
  readonly idempotent: boolean;
  /** Paths in the structured answer that hold texts made by hosts or people. */
  readonly hostMade: readonly string[];
  /** Throws OpsError. */
  run(input: z.output<I>, context: ToolContext): Promise<Answer<z.output<O>>>;
}

/** How a call is carried out around its work: rights, limits, errors, logs. */
export type Serve = (
  tool: Pick<Tool, "name" | "toolset" | "effect"> & { readonly hostMade: readonly string[] },
  context: ServerContext,
  work: (context: ToolContext) => Promise<Answer<unknown>>,
) => Promise<CallToolResult>;

/** A tool whose shapes are known only to itself, so that tools of all shapes stand in one list. */
export interface Tool {
  readonly name: string;
  readonly toolset: Toolset;
  readonly effect: "read" | "write";
  /** As `tools/list` has it. */
  readonly definition: ToolDefinition;
  install(server: McpServer, serve: Serve): void;
}

export function defineTool<I extends z.ZodType, O extends z.ZodType>(spec: ToolSpec<I, O>): Tool {
  const { name, toolset, title, description, input, output, effect, idempotent, hostMade } = spec;
  // What a hint says by default is left out: a model pays for every word of a definition.
  const annotations =
    effect === "read"
      ? { readOnlyHint: true, openWorldHint: false }
      : { destructiveHint: true, idempotentHint: idempotent, openWorldHint: false };
  const inputSchema = inputJson(input);
  const outputSchema = outputJson(output);
  const config = {
    title,
    description,
    inputSchema: erased(input, inputSchema),
    outputSchema: erased(output, outputSchema),
    annotations,
  };
  return {
    name,
    toolset,
    effect,
    definition: { name, title, description, inputSchema, outputSchema, annotations },
    install(server, serve) {
      server.registerTool(name, config, (given: unknown, context: ServerContext) =>
        // The SDK has validated `given` by `input` before it calls.
        serve({ name, toolset, effect, hostMade }, context, (tools) => spec.run(given as z.output<I>, tools)),
      );
    },
  };
}

/**
 * A schema whose types are forgotten and whose JSON is made once: the SDK asks for it again on every request, which
 * would cost more than the request itself.
 */
function erased(schema: z.ZodType, json: Record<string, unknown>): StandardSchemaWithJSON {
  const standard: StandardSchemaWithJSON["~standard"] = schema["~standard"];
  return { "~standard": { ...standard, jsonSchema: { input: () => json, output: () => json } } };
}
