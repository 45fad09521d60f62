/** Restarts a Redis server without losing what it holds: save, stop, start, wait until it answers with its data loaded. */
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { Json } from "../canonical.js";
import type { DeclaredRedis } from "../permits/redis.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import type { RedisClient } from "./redis-client.js";
import { save, withRedis } from "./redis-save.js";
import { planRestartOfProcess, restartProcess, whatBecameOfProcess } from "./restart-process.js";

const pollMs = 100;

export const redisRestart: Action<"redis-restart"> = {
  name: "redis-restart",

  async preview(args, context): Promise<Previewed> {
    const server = find(args.server, context);
    if (server?.process === undefined)
      return { kind: "impossible", because: `${args.server} has no declared process` };
    const previewed = await planRestartOfProcess(server.process);
    if (previewed.kind === "impossible") return previewed;
    try {
      const now = await withRedis(server, look);
      const plan: Plan = {
        ...previewed.plan,
        action: "redis-restart",
        arguments: { server: args.server },
        redis: { ...now },
        inverse: "nothing-to-undo",
      };
      const warned = now.role === "master" && now.replicas > 0 ? `; ${now.replicas} replicas follow it` : "";
      return {
        kind: "planned",
        plan,
        summary: `would save ${now.keys} keys of ${args.server} and restart it (${now.role}${warned})`,
      };
    } catch (error) {
      return { kind: "impossible", because: `${args.server}: ${reasonOf(error)}` };
    }
  },

  observed(plan) {
    const { runId, role } = Object(plan["redis"]) as Record<string, Json>;
    return { runId, role };
  },

  async run(args, plan, context): Promise<Done> {
    const server = find(args.server, context);
    if (server?.process === undefined) return failed(`${args.server} has no declared process any more`);
    try {
      const before = await withRedis(server, async (client) => {
        const now = await look(client);
        if (now.runId !== Object(plan["redis"]).runId) return undefined;
        const saved = await save(client, context);
        if (saved.kind === "failed")
          throw new Error(`it was not saved, so it was not restarted: ${saved.because}`);
        return now;
      });
      if (before === undefined)
        return failed(`${args.server} was restarted since the plan was made; nothing was done`);
      if (context.signal.aborted) return failed("it was stopped after the save; it was not restarted");
      const restarted = await restartProcess(server.process, plan, context);
      if (!restarted.succeeded) return restarted;
      return await verify(server, before, context);
    } catch (error) {
      return failed(`${args.server}: ${reasonOf(error)}`);
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const server = find(args.server, context);
    if (server?.process === undefined) return `${args.server} has no declared process any more`;
    const process = await whatBecameOfProcess(server.process, plan);
    const answers = await withRedis(server, look).then(
      ({ keys }) => `it answers, with ${keys} keys`,
      (error: unknown) => `it does not answer: ${reasonOf(error)}`,
    );
    return `${process}; ${answers}`;
  },
};

interface Now {
  readonly runId: string;
  readonly role: string;
  readonly replicas: number;
  readonly keys: number;
  readonly loading: boolean;
}

async function look(client: RedisClient): Promise<Now> {
  const replication = await client.info("replication");
  const loading = (await client.info("persistence")).get("loading") === "1";
  return {
    runId: (await client.info("server")).get("run_id") ?? "",
    role: replication.get("role") ?? "",
    replicas: Number(replication.get("connected_slaves") ?? 0),
    keys: loading ? 0 : Number(await client.ask("DBSIZE")),
    loading,
  };
}

/** Waits until it answers and has loaded its data. Keys that expired meanwhile are gone rightly, so fewer are only said. */
async function verify(server: DeclaredRedis, before: Now, context: ActionContext): Promise<Done> {
  const { clock, timers } = context.system;
  let because = "it does not answer";
  while (clock.monotonic() < context.deadline && !context.signal.aborted) {
    try {
      const after = await withRedis(server, look);
      if (after.runId === before.runId) because = "the old server still answers";
      else if (after.loading) because = "it is still loading its data";
      else if (after.keys === 0 && before.keys > 0) {
        return failed(`${server.name} was restarted and has lost all of its ${before.keys} keys`);
      } else {
        return {
          succeeded: true,
          exitCode: 0,
          summary: `restarted ${server.name}: ${after.keys} of ${before.keys} keys are there`,
          result: { before: { ...before }, after: { ...after } },
        };
      }
    } catch (error) {
      because = reasonOf(error);
    }
    await timers.sleep(pollMs, context.signal);
  }
  return failed(`${server.name} was restarted: ${because}`);
}

function find(name: string, { policy }: ActionContext): DeclaredRedis | undefined {
  return declared(policy.redis?.servers, name);
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
