/** The suite's tools that begin tasks, and where those are kept: in this process, for the suite's sake alone. */
import {
  type CallToolResult,
  type InputRequest,
  type InputRequests,
  inputRequired,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { type DetailedTask, declaresTasks, type TaskDesk } from "../protocol/task.js";
import { answerWithTask, refuseWithoutTasks } from "../protocol/task-server.js";
import type { System } from "../system.js";
import { askName, nameGiven } from "./input-tools.js";
import { said } from "./samples.js";

const TTL_MS = 10 * 60_000;
const POLL_MS = 200;
const TASKS_MAX = 1_000;
const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** A task under way. */
interface Job {
  task: DetailedTask;
  readonly stop: AbortController;
  readonly pending: Map<string, InputRequest>;
  readonly answers: Record<string, unknown>;
  wake: () => void;
}

/** What a job's work may do. */
interface Hands {
  readonly signal: AbortSignal;
  sleep(ms: number): Promise<void>;
  /** Asks the client, and goes on once all has been answered. */
  ask(requests: InputRequests): Promise<Record<string, unknown>>;
}

export class MemoryTasks implements TaskDesk {
  readonly #jobs = new Map<string, Job>();
  readonly #system: System;

  constructor(system: System) {
    this.#system = system;
  }

  /** Begins a job; its work may throw, which is an error of the protocol. */
  begin(work: (hands: Hands) => Promise<CallToolResult>): DetailedTask {
    const { hex } = this.#system;
    const at = this.#iso();
    const taskId = hex(32);
    const job: Job = {
      task: {
        taskId,
        status: "working",
        createdAt: at,
        lastUpdatedAt: at,
        ttlMs: TTL_MS,
        pollIntervalMs: POLL_MS,
      },
      stop: new AbortController(),
      pending: new Map(),
      answers: {},
      wake: () => {},
    };
    const oldest = this.#jobs.keys().next();
    if (this.#jobs.size >= TASKS_MAX && oldest.done !== true) this.#jobs.delete(oldest.value);
    this.#jobs.set(taskId, job);
    const begun = job.task;
    work(this.#hands(job)).then(
      (result) => this.#turn(job, { status: "completed", result }),
      (error: unknown) =>
        this.#turn(job, { status: "failed", error: { code: -32_603, message: String(error) } }),
    );
    return begun;
  }

  async get(taskId: string): Promise<DetailedTask | undefined> {
    const job = this.#jobs.get(taskId);
    if (job === undefined || job.pending.size === 0) return job?.task;
    return { ...job.task, inputRequests: Object.fromEntries(job.pending) };
  }

  async update(taskId: string, answers: Readonly<Record<string, unknown>>): Promise<boolean> {
    const job = this.#jobs.get(taskId);
    if (job === undefined) return false;
    for (const [key, answer] of Object.entries(answers)) {
      if (job.pending.delete(key)) job.answers[key] = answer;
    }
    if (job.pending.size === 0) job.wake();
    return true;
  }

  async cancel(taskId: string): Promise<boolean> {
    const job = this.#jobs.get(taskId);
    if (job === undefined) return false;
    this.#turn(job, { status: "cancelled" });
    job.pending.clear();
    job.stop.abort();
    job.wake();
    return true;
  }

  #hands(job: Job): Hands {
    const { clock } = this.#system;
    return {
      signal: job.stop.signal,
      sleep: (ms) => clock.sleep(ms, job.stop.signal),
      ask: async (requests) => {
        for (const [key, request] of Object.entries(requests)) job.pending.set(key, request);
        this.#turn(job, { status: "input_required" });
        await new Promise<void>((resolve) => {
          job.wake = resolve;
        });
        this.#turn(job, { status: "working" });
        return job.answers;
      },
    };
  }

  /** An ended task stays as it ended. */
  #turn(job: Job, change: Partial<DetailedTask>): void {
    if (ENDED.has(job.task.status)) return;
    job.task = { ...job.task, ...change, lastUpdatedAt: this.#iso() };
  }

  #iso(): string {
    return new Date(this.#system.clock.now()).toISOString();
  }
}

const confirmForm = (message: string): InputRequest =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties: { confirm: { type: "boolean" } }, required: ["confirm"] },
  });

export function addTaskTools(mcp: McpServer, tasks: MemoryTasks, { clock }: System): void {
  /** As a task for clients that know them, else as a call that takes its time. */
  const either = async (
    context: ServerContext,
    work: (hands: Pick<Hands, "sleep">) => Promise<CallToolResult>,
  ): Promise<CallToolResult> => {
    if (!declaresTasks(context)) return work({ sleep: (ms) => clock.sleep(ms, context.mcpReq.signal) });
    answerWithTask(context, tasks.begin(work));
    return said("begun");
  };
  const always = (
    context: ServerContext,
    work: (hands: Hands) => Promise<CallToolResult>,
  ): CallToolResult => {
    if (declaresTasks(context)) answerWithTask(context, tasks.begin(work));
    else refuseWithoutTasks(context);
    return said("begun");
  };
  mcp.registerTool(
    "greet",
    { title: "Greet", description: "Greets at once.", inputSchema: z.looseObject({ name: z.string() }) },
    ({ name }) => said(`Hello, ${name}!`),
  );
  mcp.registerTool(
    "slow_compute",
    {
      title: "Slow",
      description: "Takes its time.",
      inputSchema: z.object({ seconds: z.number().min(0).max(300), label: z.string().optional() }),
    },
    ({ seconds, label }, context) =>
      either(context, async ({ sleep }) => {
        await sleep(seconds * 1_000);
        return said(`Computed ${label ?? "it"} in ${seconds} s.`);
      }),
  );
  mcp.registerTool("failing_job", { title: "Fails", description: "Ends with a tool's error." }, (context) =>
    always(context, async ({ sleep }) => {
      await sleep(500);
      return { ...said("The job did not work."), isError: true };
    }),
  );
  mcp.registerTool(
    "protocol_error_job",
    { title: "Breaks", description: "Ends with an error of the protocol." },
    (context) =>
      always(context, async ({ sleep }) => {
        await sleep(100);
        throw new Error("the job broke");
      }),
  );
  mcp.registerTool(
    "confirm_delete",
    {
      title: "Confirm",
      description: "Asks before it goes on.",
      inputSchema: z.object({ filename: z.string() }),
    },
    ({ filename }, context) =>
      always(context, async ({ ask }) => {
        await ask({ confirm: confirmForm(`Delete ${filename}?`) });
        return said(`Deleted ${filename}.`);
      }),
  );
  mcp.registerTool("multi_input", { title: "Two inputs", description: "Asks for two things." }, (context) =>
    always(context, async ({ ask }) => {
      await ask({ first: askName("The first name?"), second: askName("The second name?") });
      return said("Both were given.");
    }),
  );
  mcp.registerTool(
    "test_tool_with_task",
    { title: "Input, then a task", description: "Asks for a name, then takes its time." },
    (context) => {
      const name = nameGiven(context, "user_name");
      if (name === undefined) return inputRequired({ inputRequests: { user_name: askName() } });
      return always(context, async ({ sleep }) => {
        await sleep(200);
        return said(`Worked for ${name}.`);
      });
    },
  );
}
