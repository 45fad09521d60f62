/** What a tool is: name, words, shapes in and out, effect, and the work. */
import type {
  CallToolResult,
  InputRequiredResult,
  McpServer,
  ServerContext,
  StandardSchemaWithJSON,
  Tool as ToolDefinition,
} from "@modelcontextprotocol/server";
import type { z } from "zod";
import type { Decision } from "../approval/person.js";
import type { Subject } from "../approval/sealed-state.js";
import type { Rooms } from "../control-plane/client.js";
import type { Task } from "../protocol/task.js";
import { TOKENS_DEFAULT, TOKENS_MAX } from "./budget.js";
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
  /** Whoever sits at the client. */
  readonly person: Person;
  /** Resolves after `ms`, or at once when the call is cancelled. */
  sleep(ms: number): Promise<void>;
  /** Tells a client that asked for it how things go. */
  progress(message: string): Promise<void>;
}

/** The person at the client, as far as this request reaches. */
export interface Person {
  readonly canBeAsked: boolean;
  /** What the request brings back of a question that was asked; undefined when it brings nothing. */
  readonly decision: Decision | undefined;
  /** A state for the client to bring back with its answer. Throws OpsError when there is none to be had. */
  giveState(rooms: Rooms, subject: Subject): Promise<string>;
  /** Takes the state that came with the decision, once. Throws FAILED_PRECONDITION when it is not good for `subject`. */
  takeState(rooms: Rooms, subject: Subject): Promise<void>;
}

/** In place of an answer: the person at the client is asked first. */
export class Question {
  constructor(
    /** Our own words, and between them only plain values. */
    readonly message: string,
    /** Sealed. */
    readonly state: string,
  ) {}
}

/** A tool's answer, for programs and for readers. */
export interface Answer<T> {
  readonly structured: T;
  /** Our own words and numbers, first. */
  readonly summary: string;
  /** What hosts and people said, as compact text; it is marked as data. */
  readonly data?: string;
  /** A picture for who asked for one. */
  readonly image?: Picture;
}

export interface Picture {
  /** In base64. */
  readonly data: string;
  /** One that clients show: `image/png`. */
  readonly mimeType: string;
}

/** What an answer may cost: as the caller said, where a tool lets it, within the bound that holds for all. */
function budgetOf(given: unknown): number {
  const asked = typeof given === "object" && given !== null && "max_tokens" in given ? given.max_tokens : 0;
  return typeof asked === "number" && asked > 0 ? Math.min(asked, TOKENS_MAX) : TOKENS_DEFAULT;
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
  /** Of a write: whether the call itself may change a machine. @default true */
  readonly destructive?: boolean;
  /** Whether asking twice is as good as asking once. */
  readonly idempotent: boolean;
  /** Paths in the structured answer that hold texts made by hosts or people. */
  readonly hostMade: readonly string[];
  /** Throws OpsError. */
  run(input: z.output<I>, context: ToolContext): Promise<Answer<z.output<O>> | Question>;
}

/** How a call is carried out around its work: rights, limits, errors, logs. */
export type Serve = (
  tool: Pick<Tool, "name" | "toolset" | "effect"> & {
    readonly hostMade: readonly string[];
    /** What the answer may cost. */
    readonly tokens: number;
    /** What the call was made with. */
    readonly given: unknown;
  },
  context: ServerContext,
  work: (context: ToolContext) => Promise<Answer<unknown> | Question>,
) => Promise<CallToolResult | InputRequiredResult>;

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
  const { name, toolset, title, description, input, output, effect, destructive, idempotent, hostMade } =
    spec;
  // What a hint says by default is left out: a model pays for every word of a definition.
  const annotations =
    effect === "read"
      ? { readOnlyHint: true, openWorldHint: false }
      : { destructiveHint: destructive ?? true, idempotentHint: idempotent, openWorldHint: false };
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
        serve({ name, toolset, effect, hostMade, given, tokens: budgetOf(given) }, context, (tools) =>
          spec.run(given as z.output<I>, tools),
        ),
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
