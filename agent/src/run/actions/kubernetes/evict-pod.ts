/** Evicts one pod through the eviction API, which honours disruption budgets, and waits for its owner's new pod. */
import type { Action, ActionContext, Previewed } from "../../action.js";
import type { ArgumentsOf } from "../../command.js";
import type { Plan } from "../../plans.js";
import { failed, impossible, planOn, runOn, succeeded } from "./answers.js";
import { openCluster } from "./cluster.js";
import { budgetsInTheWay, evictAndWait, whyNeverEvicted } from "./evict.js";
import { controllerOf, isReady, type Pod } from "./objects.js";
import { podPath } from "./paths.js";

export const evictPod: Action<"evict-pod"> = {
  name: "evict-pod",

  preview: (args, context) =>
    planOn(args.cluster, context, async (cluster): Promise<Previewed> => {
      const { namespace, pod: name, waitSeconds } = args;
      const pod = await cluster.find<Pod>(podPath(namespace, name));
      if (pod === undefined) return impossible(`there is no pod ${namespace}/${name}`);
      const why = whyNeverEvicted(pod);
      if (why !== undefined) return impossible(`${namespace}/${name}: ${why}`);
      const budgets = await budgetsInTheWay(cluster, pod);
      const owner = controllerOf(pod);
      const plan: Plan = {
        action: "evict-pod",
        arguments: { cluster: args.cluster, namespace, pod: name, waitSeconds },
        before: { uid: pod.metadata?.uid, node: pod.spec?.nodeName, ready: isReady(pod) },
        owner: { kind: owner?.kind, name: owner?.name, uid: owner?.uid },
        waitsFor: budgets,
        inverse: "nothing-to-undo",
      };
      const wait = budgets.length > 0 ? `; disruption budget ${budgets.join(", ")} lets none go now` : "";
      const summary = `would evict ${namespace}/${name} from ${pod.spec?.nodeName ?? "no node"} and wait until ${owner?.kind} ${owner?.name} has a new pod ready${wait}`;
      return { kind: "planned", plan, summary };
    }),

  observed(plan) {
    return { uid: Object(plan["before"]).uid, owner: Object(plan["owner"]).uid };
  },

  run: (args, plan, context) =>
    runOn(args.cluster, context, async (cluster) => {
      const pod = await cluster.find<Pod>(podPath(args.namespace, args.pod));
      if (pod === undefined || pod.metadata?.uid !== Object(plan["before"]).uid)
        return failed(`${args.pod} is another pod than when it was planned, or gone; nothing was done`);
      const evicted = await evictAndWait(cluster, pod, args.waitSeconds, context);
      if (evicted.kind === "failed") return failed(evicted.because);
      return succeeded(`${args.namespace}/${args.pod} was evicted; ${evicted.by} is ready in its place`, {
        replacedBy: evicted.by,
      });
    }),

  afterInterruption: whatIsKnown,
};

async function whatIsKnown(
  args: ArgumentsOf<"evict-pod">,
  plan: Plan,
  context: ActionContext,
): Promise<string> {
  const cluster = await openCluster(args.cluster, context);
  const pod = await cluster.find<Pod>(podPath(args.namespace, args.pod));
  if (pod?.metadata?.uid !== Object(plan["before"]).uid) return `${args.namespace}/${args.pod} is gone`;
  return pod?.metadata?.deletionTimestamp === undefined
    ? `${args.namespace}/${args.pod} is still there`
    : `${args.namespace}/${args.pod} is on its way out`;
}
