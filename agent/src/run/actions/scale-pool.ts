/** Starts and stops instances of a declared pool until as many run as are asked for, or as the load needs. */
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { ArgumentsOf } from "../command.js";
import type { DeclaredPool } from "../permits/scale-pool.js";
import type { Plan } from "../plans.js";
import { replicasForLoad } from "../scale-for-load.js";
import { declared } from "../verdict.js";
import { type PoolHand, programPool, unitPool } from "./pool-instances.js";

type Arguments = ArgumentsOf<"scale-pool">;

export const scalePool: Action<"scale-pool"> = {
  name: "scale-pool",

  async preview(args, context): Promise<Previewed> {
    const pool = declared(context.policy.scalePool?.pools, args.pool);
    if (pool === undefined) return { kind: "impossible", because: `${args.pool} is not declared` };
    const looked = await handOf(pool, context).running();
    if (looked.kind === "unknown") return { kind: "impossible", because: looked.because };
    const { running } = looked;
    const wanted = wantedOf(args, pool, running.length);
    const { start, stop } = steps(running, wanted.replicas);
    const plan: Plan = {
      action: "scale-pool",
      arguments: { pool: args.pool, replicas: args.replicas, load: args.load },
      before: { running: [...running] },
      replicas: wanted.replicas,
      because: wanted.because,
      start,
      stop,
      // Back to as many as ran, if that is a number that may be asked for.
      inverse:
        running.length >= pool.min && running.length <= pool.max
          ? { action: "scale-pool", arguments: { pool: args.pool, replicas: running.length } }
          : "irreversible",
    };
    const summary = `would scale ${args.pool} from ${running.length} to ${wanted.replicas} (${wanted.because})${describe(start, stop)}`;
    return { kind: "planned", plan, summary };
  },

  observed(plan) {
    const running: unknown = Object(plan["before"]).running;
    return { running: Array.isArray(running) ? running.length : 0 };
  },

  async run(args, plan, context): Promise<Done> {
    const pool = declared(context.policy.scalePool?.pools, args.pool);
    if (pool === undefined) return failed(`${args.pool} is not declared on this host any more`);
    const hand = handOf(pool, context);
    const looked = await hand.running();
    if (looked.kind === "unknown") return failed(looked.because);
    const before = looked.running;
    if (JSON.stringify(before) !== JSON.stringify(Object(plan["before"]).running))
      return failed(`${args.pool} runs ${shown(before)} now, not what it ran when it was planned`);
    const [start, stop] = [numbersOf(plan["start"]), numbersOf(plan["stop"])];
    const started: number[] = [];
    for (const instance of start) {
      if (context.signal.aborted) return takeBack(hand, started, "it was stopped");
      context.say(`starting ${args.pool} ${instance}`);
      const because = await hand.start(instance);
      if (because !== undefined) return takeBack(hand, [...started, instance], because);
      started.push(instance);
    }
    for (const instance of stop) {
      if (context.signal.aborted) return failed("it was stopped between two instances");
      context.say(`stopping ${args.pool} ${instance}`);
      const because = await hand.stop(instance);
      if (because !== undefined) return failed(because);
    }
    const after = await hand.running();
    const now = after.kind === "running" ? after.running : [];
    const result = { before: [...before], after: [...now] };
    if (now.length !== Number(plan["replicas"])) {
      const because = `${args.pool} runs ${shown(now)}, ${String(plan["replicas"])} were asked for`;
      return { succeeded: false, exitCode: 1, summary: because, result: { ...result, because } };
    }
    const summary = `${args.pool}: ${before.length} → ${now.length}${describe(start, stop)}`;
    return { succeeded: true, exitCode: 0, summary, result };
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const pool = declared(context.policy.scalePool?.pools, args.pool);
    if (pool === undefined) return `${args.pool} is not declared any more`;
    const looked = await handOf(pool, context).running();
    if (looked.kind === "unknown") return looked.because;
    return `${args.pool} runs ${shown(looked.running)}; ${String(plan["replicas"])} were asked for`;
  },
};

function handOf(pool: DeclaredPool, context: ActionContext): PoolHand {
  return pool.unit === undefined ? programPool(pool, context) : unitPool(pool.unit, context);
}

function wantedOf({ replicas, load }: Arguments, pool: DeclaredPool, running: number) {
  if (replicas !== undefined) return { replicas, because: "as asked for" };
  const { perReplica = 1, min, max } = pool;
  return replicasForLoad({ load: load ?? 0, perReplica, running, min, max });
}

/** The lowest free numbers are started, the highest that run are stopped. */
function steps(running: readonly number[], replicas: number): { start: number[]; stop: number[] } {
  const start: number[] = [];
  for (let instance = 1; running.length + start.length < replicas; instance++)
    if (!running.includes(instance)) start.push(instance);
  const surplus = Math.max(0, running.length - replicas);
  return { start, stop: [...running].reverse().slice(0, surplus) };
}

/** What was started for nothing is stopped again: a pool that is half scaled would be neither. */
async function takeBack(hand: PoolHand, started: readonly number[], because: string): Promise<Done> {
  const stuck: string[] = [];
  for (const instance of started) {
    const why = await hand.stop(instance);
    if (why !== undefined) stuck.push(why);
  }
  const back = stuck.length === 0 ? "what had been started was stopped again" : stuck.join("; ");
  return failed(`${because}; ${back}`);
}

function numbersOf(value: unknown): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

function shown(running: readonly number[]): string {
  return running.length === 0 ? "nothing" : `${running.length} (${running.join(", ")})`;
}

function describe(start: readonly number[], stop: readonly number[]): string {
  if (start.length > 0) return `: starting ${start.join(", ")}`;
  return stop.length > 0 ? `: stopping ${stop.join(", ")}` : "";
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
