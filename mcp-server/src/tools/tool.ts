/** What a tool is: name, words, shapes in and out, effect, and the work. */
import type {
  CallToolResult,
  McpServer,
  ServerContext,
  StandardSchemaWithJSON,
} from "@modelcontextprotocol/server";
import type { z } from "zod";
import type { Rooms } from "../control-plane/client.js";

/** What a tool's work may use. */
export interface ToolContext {
  /** The control plane, on behalf of the caller. */
  readonly rooms: Rooms;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** That many random hex digits. */
  readonly hex: (digits: number) => string;
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
  tool: { readonly name: string; readonly hostMade: readonly string[] },
  context: ServerContext,
  work: (context: ToolContext) => Promise<Answer<unknown>>,
) => Promise<CallToolResult>;

/** A tool whose shapes are known only to itself, so that tools of all shapes stand in one list. */
export interface Tool {
  readonly name: string;
  readonly effect: "read" | "write";
  install(server: McpServer, serve: Serve): void;
}

export function defineTool<I extends z.ZodType, O extends z.ZodType>(spec: ToolSpec<I, O>): Tool {
  const { name, title, description, input, output, effect, idempotent, hostMade } = spec;
  const read = effect === "read";
  const config = {
    title,
    description,
    inputSchema: erased(input),
    outputSchema: erased(output),
    annotations: {
      readOnlyHint: read,
      destructiveHint: !read,
      idempotentHint: idempotent,
      openWorldHint: false,
    },
  };
  return {
    name,
    effect,
    install(server, serve) {
      server.registerTool(name, config, (given: unknown, context: ServerContext) =>
        // The SDK has validated `given` by `input` before it calls.
        serve({ name, hostMade }, context, (tools) => spec.run(given as z.output<I>, tools)),
      );
    },
  };
}

type Standard = StandardSchemaWithJSON["~standard"];

/**
 * A schema whose types are forgotten and whose JSON is made once: the SDK asks for it again on every request, which
 * would cost more than the request itself.
 */
function erased(schema: z.ZodType): StandardSchemaWithJSON {
  const standard: Standard = schema["~standard"];
  const made = new Map<string, Record<string, unknown>>();
  const once =
    (side: "input" | "output"): Standard["jsonSchema"]["input"] =>
    (options) => {
      const key = `${side} ${options.target}`;
      const json = made.get(key) ?? standard.jsonSchema[side](options);
      made.set(key, json);
      return json;
    };
  return { "~standard": { ...standard, jsonSchema: { input: once("input"), output: once("output") } } };
}
