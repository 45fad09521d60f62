/**
 * Long work as the protocol's Tasks extension has it (SEP-2663): a call answers with a task at once, and its result is
 * asked for later. Only clients that declare the extension on the request are answered so.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequests,
  type ServerContext,
} from "@modelcontextprotocol/server";

export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/**
 * `working`: under way. `input_required`: waits for the client. `completed`: ended with a result, which may well tell
 * of a failure of the work. `failed`: ended with an error of the protocol. `cancelled`: was stopped.
 */
export type TaskStatus = "working" | "input_required" | "completed" | "failed" | "cancelled";

/** A task as it is told when it begins. */
export interface Task {
  readonly taskId: string;
  readonly status: TaskStatus;
  /** For people. */
  readonly statusMessage?: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** ISO 8601. */
  readonly lastUpdatedAt: string;
  /** How long it is kept from its creation on, in ms; null: without end. */
  readonly ttlMs: number | null;
  /** How long a client should wait before it asks again, in ms. */
  readonly pollIntervalMs: number;
}

/** A task as it is told when it is asked for. */
export interface DetailedTask extends Task {
  /** Of a completed task: what the call would have answered. */
  readonly result?: Record<string, unknown>;
  /** Of a failed one. */
  readonly error?: { readonly code: number; readonly message: string };
  /** What the client is asked for, by keys that it answers under. */
  readonly inputRequests?: InputRequests;
}

/** Where tasks are kept. Each answers undefined or false for a task that the caller does not have. */
export interface TaskDesk {
  get(taskId: string, context: ServerContext): Promise<DetailedTask | undefined>;
  /** Takes answers to `inputRequests`; keys that were not asked for are ignored. */
  update(
    taskId: string,
    answers: Readonly<Record<string, unknown>>,
    context: ServerContext,
  ): Promise<boolean>;
  /** Asks that it be stopped. One that has ended stays as it is. */
  cancel(taskId: string, context: ServerContext): Promise<boolean>;
}

/** Whether the request's own envelope declares the extension; never so in the era before it. */
export function declaresTasks(context: ServerContext): boolean {
  return declaredBy(context.mcpReq.envelope);
}

/** The same of a request's `_meta`. */
export function declaredBy(meta: object | undefined): boolean {
  const envelope: Readonly<Record<string, unknown>> = { ...meta };
  const capabilities = envelope[CLIENT_CAPABILITIES_META_KEY];
  if (typeof capabilities !== "object" || capabilities === null || !("extensions" in capabilities))
    return false;
  const { extensions } = capabilities;
  return typeof extensions === "object" && extensions !== null && TASKS_EXTENSION in extensions;
}
