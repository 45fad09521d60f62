/** Makes a workload's pods anew, a few at a time as its strategy has it, and takes that back when the new ones do not come up. */
import type { Action, ActionContext, Previewed } from "../../action.js";
import type { ArgumentsOf } from "../../command.js";
import type { Plan } from "../../plans.js";
import { failed, impossible, planOn, runOn, succeeded } from "./answers.js";
import { openCluster } from "./cluster.js";
import type { Workload } from "./objects.js";
import { workloadPath } from "./paths.js";
import { podsOf, takeBack, templateHash, watchRollout, whyNoRollout } from "./rollout.js";

/** The annotation that kubectl uses too: a new value makes new pods, and the old value the old ones. */
const restartedAt = "kubectl.kubernetes.io/restartedAt";

export const rolloutRestart: Action<"rollout-restart"> = {
  name: "rollout-restart",

  preview: (args, context) =>
    planOn(args.cluster, context, async (cluster): Promise<Previewed> => {
      const { namespace, kind, name, waitSeconds } = args;
      const workload = await cluster.find<Workload>(pathOf(args));
      if (workload === undefined) return impossible(`there is no ${kind} ${namespace}/${name}`);
      const why = whyNoRollout(workload);
      if (why !== undefined) return impossible(`${kind} ${namespace}/${name}: ${why}`);
      const plan: Plan = {
        action: "rollout-restart",
        arguments: { cluster: args.cluster, namespace, kind, name, waitSeconds },
        before: { uid: workload.metadata?.uid, template: templateHash(workload) },
        replicas: workload.spec?.replicas ?? 1,
        inverse: "nothing-to-undo",
      };
      const summary = `would replace the ${workload.spec?.replicas ?? 1} pods of ${kind} ${namespace}/${name} by new ones, a few at a time`;
      return { kind: "planned", plan, summary };
    }),

  observed(plan) {
    const { uid, template } = Object(plan["before"]) as { uid?: string; template?: string };
    return { uid, template };
  },

  run: (args, plan, context) =>
    runOn(args.cluster, context, async (cluster) => {
      const path = pathOf(args);
      const before = await cluster.get<Workload>(path);
      if (templateHash(before) !== Object(plan["before"]).template)
        return failed(`${args.name} is made from something else than when it was planned; nothing was done`);
      const was = before.spec?.template?.metadata?.annotations?.[restartedAt] ?? null;
      const annotate = (value: string | null) =>
        cluster.patch<Workload>(path, "merge", {
          spec: { template: { metadata: { annotations: { [restartedAt]: value } } } },
        });
      const pods = await podsOf(cluster, before);
      await annotate(new Date(context.system.clock.now()).toISOString());
      context.say(`${args.kind} ${args.namespace}/${args.name} makes new pods`);
      const rolled = await watchRollout(cluster, path, pods, args.waitSeconds, context);
      if (rolled.kind === "complete")
        return succeeded(`all pods of ${args.kind} ${args.namespace}/${args.name} are new and available`, {
          replicas: before.spec?.replicas ?? 1,
        });
      return failed(
        `${args.name}: ${rolled.because}; ${await takeBack(cluster, path, () => annotate(was), context)}`,
      );
    }),

  afterInterruption: whatIsKnown,
};

function pathOf({ namespace, kind, name }: ArgumentsOf<"rollout-restart">): string {
  return workloadPath(namespace, kind, name);
}

async function whatIsKnown(
  args: ArgumentsOf<"rollout-restart">,
  plan: Plan,
  context: ActionContext,
): Promise<string> {
  const now = await (await openCluster(args.cluster, context)).find<Workload>(pathOf(args));
  if (now === undefined) return `there is no ${args.kind} ${args.namespace}/${args.name} any more`;
  if (templateHash(now) === Object(plan["before"]).template) return `${args.name} was not restarted`;
  return `${args.name} makes new pods: ${now.status?.updatedReplicas ?? 0} of ${now.spec?.replicas ?? 1} are new`;
}
