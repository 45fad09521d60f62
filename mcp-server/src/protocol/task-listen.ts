/**
 * `subscriptions/listen` for tasks, which the SDK does not know: one stream of server-sent events that tells each task
 * that was asked for whenever it has become another (`notifications/tasks`), and the resources asked for beside them.
 */
import type { ServerResponse } from "node:http";
import {
  MissingRequiredClientCapabilityError,
  ProtocolErrorCode,
  type ServerEventBus,
  SUBSCRIPTION_ID_META_KEY,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Clock } from "../system.js";
import { type DetailedTask, declaredBy, TASKS_EXTENSION } from "./task.js";

export interface TaskNews {
  /** The task as its asker may see it now; undefined for one that they do not have. Throws when it cannot be known. */
  read(taskId: string): Promise<DetailedTask | undefined>;
  /** The name of the resource that changes with the task; undefined for what is no task. */
  uriOf(taskId: string): string | undefined;
}

export interface TaskListenParts {
  readonly response: ServerResponse;
  readonly message: { readonly id: string | number; readonly params?: object | undefined };
  readonly news: TaskNews;
  readonly bus: Pick<ServerEventBus, "subscribe">;
  readonly clock: Clock;
}

const TASKS_MAX = 100;
const URIS_MAX = 200;
const KEEP_ALIVE_MS = 15_000;
const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

const paramsSchema = z.looseObject({
  notifications: z.looseObject({
    taskIds: z.array(z.string().min(1).max(256)).min(1).max(TASKS_MAX),
    resourceSubscriptions: z.array(z.string().max(1_024)).max(URIS_MAX).optional(),
  }),
  _meta: z.looseObject({}).optional(),
});

/** Whether a request listens for tasks, and not only for what the SDK tells. */
export function listensForTasks(params: unknown): boolean {
  return z.looseObject({ notifications: z.looseObject({ taskIds: z.array(z.unknown()) }) }).safeParse(params)
    .success;
}

/** Serves one stream until its client goes, or all its tasks have ended and nothing else was asked for. */
export async function serveTaskListen(parts: TaskListenParts): Promise<void> {
  const { response, message, news, bus, clock } = parts;
  const refuse = (status: number, error: { code: number; message: string; data?: unknown }): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, error }));
  };
  const parsed = paramsSchema.safeParse(message.params);
  if (!parsed.success) {
    const expected = `notifications: at most ${TASKS_MAX} taskIds and ${URIS_MAX} resourceSubscriptions`;
    return refuse(400, { code: ProtocolErrorCode.InvalidParams, message: `expected ${expected}` });
  }
  const { notifications, _meta } = parsed.data;
  if (!declaredBy(_meta)) {
    const {
      code,
      message: said,
      data,
    } = new MissingRequiredClientCapabilityError({
      requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
    });
    return refuse(400, { code, message: said, data });
  }
  const stream = new Stream(response, message.id);
  const wanted = new Set(notifications.taskIds);
  const uris = new Set(notifications.resourceSubscriptions ?? []);
  const told = new Map<string, string>();
  const dirty = new Set<string>();
  const changed = new Set<string>();
  let wake = (): void => {};
  // Listens before it looks, so that nothing falls between.
  const deaf = bus.subscribe((event) => {
    if (event.kind !== "resource_updated") return;
    if (uris.has(event.uri)) changed.add(event.uri);
    for (const id of told.keys()) if (news.uriOf(id) === event.uri) dirty.add(id);
    wake();
  });
  const gone = new AbortController();
  response.once("close", () => {
    deaf();
    gone.abort();
    wake();
  });
  try {
    for (const id of wanted) {
      const task = news.uriOf(id) === undefined ? undefined : await news.read(id);
      if (task !== undefined) told.set(id, "");
    }
    stream.open({
      taskIds: [...told.keys()],
      ...(uris.size === 0 ? {} : { resourceSubscriptions: [...uris] }),
    });
    for (const id of told.keys()) dirty.add(id);
    while (!gone.signal.aborted && (told.size > 0 || uris.size > 0)) {
      for (const uri of changed) await stream.tell("notifications/resources/updated", { uri });
      changed.clear();
      for (const id of [...dirty]) {
        dirty.delete(id);
        const task = await news.read(id);
        const text = JSON.stringify(task);
        // How a task stands at the beginning is told, too: it may have moved on since its call was answered.
        if (task !== undefined && told.get(id) !== text)
          await stream.tell("notifications/tasks", { ...task });
        if (task === undefined || ENDED.has(task.status)) told.delete(id);
        else told.set(id, text);
      }
      if (dirty.size > 0 || changed.size > 0 || (told.size === 0 && uris.size === 0)) continue;
      const newsCame = new Promise<"news">((resolve) => {
        wake = () => resolve("news");
      });
      const patience = new AbortController();
      const signal = AbortSignal.any([patience.signal, gone.signal]);
      const first = await Promise.race([newsCame, clock.sleep(KEEP_ALIVE_MS, signal).then(() => "quiet")]);
      patience.abort();
      if (first === "quiet" && !gone.signal.aborted) stream.keepAlive();
    }
    stream.end();
  } catch {
    // What cannot be told any more is asked for by a new stream.
    response.end();
  } finally {
    deaf();
    gone.abort();
  }
}

/** Server-sent events, each with the number of its subscription; written no faster than they are read. */
class Stream {
  readonly #response: ServerResponse;
  readonly #id: string | number;

  constructor(response: ServerResponse, id: string | number) {
    this.#response = response;
    this.#id = id;
  }

  open(notifications: object): void {
    this.#response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    });
    const params = this.#stamped({ notifications });
    this.#write({ jsonrpc: "2.0", method: "notifications/subscriptions/acknowledged", params });
  }

  async tell(method: string, params: Record<string, unknown>): Promise<void> {
    if (this.#write({ jsonrpc: "2.0", method, params: this.#stamped(params) })) return;
    await new Promise<void>((resolve) => {
      this.#response.once("drain", resolve);
      this.#response.once("close", resolve);
    });
  }

  keepAlive(): void {
    this.#response.write(": keepalive\n\n");
  }

  end(): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    this.#write({ jsonrpc: "2.0", id: this.#id, result: this.#stamped({ resultType: "complete" }) });
    this.#response.end();
  }

  #stamped(params: Record<string, unknown>): Record<string, unknown> {
    return { ...params, _meta: { [SUBSCRIPTION_ID_META_KEY]: this.#id } };
  }

  #write(message: object): boolean {
    if (this.#response.destroyed) return true;
    return this.#response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
  }
}
