/**
 * Scales a Deployment or a StatefulSet. Where an autoscaler watches over it, its lower bound is set instead: replicas that
 * are set beside an autoscaler are gone again within seconds.
 */
import type { Action, ActionContext, Previewed } from "../../action.js";
import { canonicalJson } from "../../canonical.js";
import type { ArgumentsOf } from "../../command.js";
import type { Plan } from "../../plans.js";
import { failed, impossible, lookUntil, planOn, runOn, succeeded } from "./answers.js";
import { type Cluster, openCluster } from "./cluster.js";
import type { Autoscaler, Listed, Workload } from "./objects.js";
import { autoscalersPath, workloadPath } from "./paths.js";

type Arguments = ArgumentsOf<"scale-workload">;

export const scaleWorkload: Action<"scale-workload"> = {
  name: "scale-workload",

  preview: (args, context) =>
    planOn(args.cluster, context, async (cluster): Promise<Previewed> => {
      const { namespace, kind, name, replicas, waitSeconds } = args;
      const found = await look(cluster, args);
      if (found === undefined) return impossible(`there is no ${kind} ${namespace}/${name}`);
      const { autoscaler, now } = found;
      const most = autoscaler?.spec?.maxReplicas;
      if (most !== undefined && replicas > most)
        return impossible(
          `autoscaler ${autoscaler?.metadata?.name} lets ${name} have ${most} at most; ${replicas} were asked for`,
        );
      if (most !== undefined && replicas < 1)
        return impossible(
          `autoscaler ${autoscaler?.metadata?.name} cannot have a lower bound of ${replicas}`,
        );
      const back = autoscaler === undefined ? now.replicas : (now.autoscalerMin ?? 1);
      const plan: Plan = {
        action: "scale-workload",
        arguments: { cluster: args.cluster, namespace, kind, name, replicas, waitSeconds },
        before: now,
        through: autoscaler === undefined ? kind : "autoscaler",
        inverse: {
          action: "scale-workload",
          arguments: { cluster: args.cluster, namespace, kind, name, replicas: back, waitSeconds },
        },
      };
      const how =
        autoscaler === undefined
          ? `from ${now.replicas} to ${replicas}`
          : `by autoscaler ${now.autoscaler}: its lower bound from ${now.autoscalerMin} to ${replicas}`;
      return { kind: "planned", plan, summary: `would scale ${kind} ${namespace}/${name} ${how}` };
    }),

  observed(plan) {
    const { uid, autoscaler, autoscalerMin, replicas } = Object(plan["before"]) as Now;
    // With an autoscaler the number of replicas is its own affair.
    return autoscaler === null ? { uid, replicas } : { uid, autoscaler, autoscalerMin };
  },

  run: (args, plan, context) =>
    runOn(args.cluster, context, async (cluster) => {
      const found = await look(cluster, args);
      const stateOf = (now: unknown): string =>
        canonicalJson(scaleWorkload.observed({ ...plan, before: Object(now) }));
      if (found === undefined || stateOf(found.now) !== stateOf(plan["before"]))
        return failed(`${args.name} is not what it was when it was planned; nothing was done`);
      const { autoscaler, workload } = found;
      // The version makes the API server refuse what somebody else changed between our look and our write.
      if (autoscaler !== undefined)
        await cluster.patch(`${autoscalersPath(args.namespace)}/${autoscaler.metadata?.name}`, "merge", {
          metadata: { resourceVersion: autoscaler.metadata?.resourceVersion },
          spec: { minReplicas: args.replicas },
        });
      else
        await cluster.patch(`${pathOf(args)}/scale`, "merge", {
          metadata: { resourceVersion: workload.metadata?.resourceVersion },
          spec: { replicas: args.replicas },
        });
      context.say(`${args.kind} ${args.namespace}/${args.name} is asked to have ${args.replicas}`);
      let said = "";
      const settled = await lookUntil(context, args.waitSeconds, async () => {
        const now = await cluster.get<Workload>(pathOf(args));
        const { replicas = 0, readyReplicas: ready = 0, observedGeneration = 0 } = now.status ?? {};
        const word = `${ready} of ${replicas} are ready`;
        if (word !== said) context.say(word);
        said = word;
        if (observedGeneration < (now.metadata?.generation ?? 0)) return undefined;
        const enough = autoscaler === undefined ? replicas === args.replicas : replicas >= args.replicas;
        return enough && ready === replicas ? { replicas, ready } : undefined;
      });
      if (settled === undefined)
        return failed(`${args.name} was asked for ${args.replicas}: after ${args.waitSeconds} s ${said}`);
      return succeeded(
        `${args.kind} ${args.namespace}/${args.name}: ${found.now.replicas} → ${settled.replicas}`,
        {
          before: found.now,
          after: settled,
        },
      );
    }),

  afterInterruption: async (args, plan, context: ActionContext) => {
    const found = await look(await openCluster(args.cluster, context), args);
    if (found === undefined) return `there is no ${args.kind} ${args.namespace}/${args.name} any more`;
    const was = (Object(plan["before"]) as Now).replicas;
    return `${args.name} is to have ${found.now.replicas}, ${was} when it was planned; ${found.workload.status?.readyReplicas ?? 0} are ready`;
  },
};

/** How it stands, as plans have it. */
type Now = {
  readonly uid: string;
  readonly replicas: number;
  readonly autoscaler: string | null;
  readonly autoscalerMin: number | null;
};

function pathOf({ namespace, kind, name }: Arguments): string {
  return workloadPath(namespace, kind, name);
}

async function look(
  cluster: Cluster,
  args: Arguments,
): Promise<
  { readonly workload: Workload; readonly autoscaler: Autoscaler | undefined; readonly now: Now } | undefined
> {
  const workload = await cluster.find<Workload>(pathOf(args));
  if (workload === undefined) return undefined;
  const { items } = await cluster.get<Listed<Autoscaler>>(autoscalersPath(args.namespace));
  const autoscaler = items.find(({ spec }) => {
    const { kind = "", name } = spec?.scaleTargetRef ?? {};
    return kind.toLowerCase() === args.kind && name === args.name;
  });
  const now: Now = {
    uid: workload.metadata?.uid ?? "",
    replicas: workload.spec?.replicas ?? 1,
    autoscaler: autoscaler?.metadata?.name ?? null,
    autoscalerMin: autoscaler === undefined ? null : (autoscaler.spec?.minReplicas ?? 1),
  };
  return { workload, autoscaler, now };
}
