/**
 * A server of the official SDK that can answer a tool's call with a task. The SDK serves the wire of both eras but has
 * no tasks of its own: a call's result is checked to be a tool's result, so the task takes its place after that check.
 */
import {
  type Implementation,
  type JSONRPCRequest,
  McpServer,
  type McpServerOptions,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { declaresTasks, TASKS_EXTENSION, type Task, type TaskDesk } from "./task.js";

/** What stands for a tool's result, by the signal of its request: the one object of a request that is never copied. */
const instead = new WeakMap<AbortSignal, Task | ProtocolError>();

/** Has the call answered with a task; what the tool returns besides is dropped. The task must be durable by then. */
export function answerWithTask(context: ServerContext, task: Task): void {
  instead.set(context.mcpReq.signal, task);
}

/** Has the call refused, for it can only be served as a task and the client declares none. */
export function refuseWithoutTasks(context: ServerContext): void {
  instead.set(context.mcpReq.signal, missingTasks());
}

function missingTasks(): ProtocolError {
  return new MissingRequiredClientCapabilityError({
    requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
  });
}

class CallServer extends Server {
  protected override _wrapHandler(
    method: string,
    handler: (request: JSONRPCRequest, context: ServerContext) => Promise<Result>,
  ): (request: JSONRPCRequest, context: ServerContext) => Promise<Result> {
    const checked = super._wrapHandler(method, handler);
    if (method !== "tools/call") return checked;
    return async (request, context) => {
      const result = await checked(request, context);
      const other = instead.get(context.mcpReq.signal);
      if (other === undefined) return result;
      if (other instanceof ProtocolError) throw other;
      return { resultType: "task", ...other };
    };
  }
}

/** An `McpServer` whose tools may answer with tasks. */
export class TaskServer extends McpServer {
  override readonly server: CallServer;

  constructor(info: Implementation, options: McpServerOptions) {
    // Without its capabilities the base class sets no handlers on the server that is replaced here.
    super(info, {});
    this.server = new CallServer(info, options);
  }
}

const idParams = z.looseObject({ taskId: z.string().min(1).max(256) });

/** Serves `tasks/get`, `tasks/update` and `tasks/cancel` and says so. Only for servers of the era that has them. */
export function serveTasks(mcp: McpServer, desk: TaskDesk): void {
  const { server } = mcp;
  server.registerCapabilities({ extensions: { [TASKS_EXTENSION]: {} } });
  server.setRequestHandler("tasks/get", { params: idParams }, async ({ taskId }, context) => {
    mustDeclare(context);
    const task = await desk.get(taskId, context);
    if (task === undefined) throw unknown(taskId);
    return { resultType: "complete", ...task };
  });
  server.setRequestHandler("tasks/update", { params: idParams }, async ({ taskId }, context) => {
    mustDeclare(context);
    // The SDK has taken them out of the parameters.
    if (!(await desk.update(taskId, { ...context.mcpReq.inputResponses }, context))) throw unknown(taskId);
    return { resultType: "complete" };
  });
  server.setRequestHandler("tasks/cancel", { params: idParams }, async ({ taskId }, context) => {
    mustDeclare(context);
    if (!(await desk.cancel(taskId, context))) throw unknown(taskId);
    return { resultType: "complete" };
  });
}

function mustDeclare(context: ServerContext): void {
  if (!declaresTasks(context)) throw missingTasks();
}

function unknown(taskId: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, `no task ${JSON.stringify(taskId)}`);
}
