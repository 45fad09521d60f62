/**
 * Empties a node: cordons it and evicts its pods one after the other, each only when the one before is ready elsewhere. It
 * stops at the first that is not; the node stays cordoned, and the inverse lets it take pods again.
 */
import type { Action, ActionContext, Previewed } from "../../action.js";
import type { Json } from "../../canonical.js";
import type { Plan } from "../../plans.js";
import { failed, impossible, planOn, runOn, succeeded } from "./answers.js";
import { type Cluster, openCluster } from "./cluster.js";
import { setUnschedulable, whyNotOut } from "./cordon-node.js";
import { budgetsInTheWay, evictAndWait, whyNeverEvicted } from "./evict.js";
import { type ClusterNode, controllerOf, type Listed, type Pod } from "./objects.js";
import { nodesPath, podsOnNodePath } from "./paths.js";

/** With more than this a node is not drained in one order. */
const podsMax = 500;

export const drainNode: Action<"drain-node"> = {
  name: "drain-node",

  preview: (args, context) =>
    planOn(args.cluster, context, async (cluster): Promise<Previewed> => {
      const { items } = await cluster.get<Listed<ClusterNode>>(nodesPath);
      const node = items.find(({ metadata }) => metadata?.name === args.node);
      if (node === undefined) return impossible(`there is no node ${args.node}`);
      const why = whyNotOut(items, args.node);
      if (why !== undefined) return impossible(why);
      const { go, stay } = await podsOn(cluster, args.node);
      const never = go.find((pod) => whyNeverEvicted(pod) !== undefined);
      if (never !== undefined) return impossible(`pod ${nameOf(never)}: ${whyNeverEvicted(never) ?? ""}`);
      if (go.length > podsMax)
        return impossible(
          `${go.length} pods run on ${args.node}; at most ${podsMax} are evicted by one order`,
        );
      const waits: string[] = [];
      for (const pod of go) {
        const budgets = await budgetsInTheWay(cluster, pod);
        if (budgets.length > 0) waits.push(`${nameOf(pod)}: ${budgets.join(", ")}`);
      }
      const wasCordoned = node.spec?.unschedulable === true;
      const plan: Plan = {
        action: "drain-node",
        arguments: { cluster: args.cluster, node: args.node, waitSeconds: args.waitSeconds },
        before: { uid: node.metadata?.uid, unschedulable: wasCordoned },
        pods: go.map((pod) => ({ pod: nameOf(pod), uid: pod.metadata?.uid })),
        stay: stay.map(nameOf),
        waitsFor: waits,
        losesLocalData: go.filter(hasLocalData).map(nameOf),
        inverse: wasCordoned
          ? "nothing-to-undo"
          : { action: "uncordon-node", arguments: { cluster: args.cluster, node: args.node } },
      };
      const waiting = waits.length > 0 ? `; disruption budgets let none go now: ${waits.join("; ")}` : "";
      const summary = `would cordon ${args.node} and evict ${go.length} pods one after the other; ${stay.length} stay${waiting}`;
      return { kind: "planned", plan, summary: summary.slice(0, 1500) };
    }),

  observed(plan) {
    // Pods come and go: each is compared on its own, right before it is evicted.
    const { uid, unschedulable } = Object(plan["before"]) as Readonly<Record<string, Json>>;
    return { uid, unschedulable };
  },

  run: (args, plan, context) =>
    runOn(args.cluster, context, async (cluster) => {
      const { items } = await cluster.get<Listed<ClusterNode>>(nodesPath);
      const why = whyNotOut(items, args.node);
      if (why !== undefined) return failed(why);
      const trouble = await setUnschedulable(cluster, args.node, true);
      if (trouble !== undefined) return failed(trouble);
      context.say(`${args.node} takes no new pods`);
      const planned = new Set(uidsOf(plan));
      const moved: string[] = [];
      const { go } = await podsOn(cluster, args.node);
      for (const pod of go) {
        const so = { moved };
        if (context.signal.aborted)
          return failed(
            `it was stopped after ${moved.length} of ${go.length} pods; ${args.node} stays cordoned`,
            so,
          );
        if (!planned.has(pod.metadata?.uid ?? ""))
          return failed(`${nameOf(pod)} was not there when it was planned; ${args.node} stays cordoned`, so);
        const evicted = await evictAndWait(cluster, pod, args.waitSeconds, context);
        if (evicted.kind === "failed")
          return failed(
            `${evicted.because}; ${moved.length} of ${go.length} pods were moved and ${args.node} stays cordoned`,
            so,
          );
        moved.push(nameOf(pod));
      }
      const left = (await podsOn(cluster, args.node)).go.map(nameOf);
      if (left.length > 0) return failed(`${left.join(", ")} still on ${args.node}`, { moved, left });
      return succeeded(`${args.node} is empty: ${moved.length} pods run elsewhere`, { moved });
    }),

  afterInterruption: async (args, plan, context: ActionContext) => {
    const cluster = await openCluster(args.cluster, context);
    const { go } = await podsOn(cluster, args.node);
    const left = go.filter(({ metadata }) => uidsOf(plan).includes(metadata?.uid ?? "")).length;
    return `${uidsOf(plan).length - left} of ${uidsOf(plan).length} pods of the plan have left ${args.node}`;
  },
};

/** Pods that leave, and pods that belong to the node or have ended. */
async function podsOn(cluster: Cluster, node: string): Promise<{ readonly go: Pod[]; readonly stay: Pod[] }> {
  const { items } = await cluster.get<Listed<Pod>>(podsOnNodePath(node));
  const stays = (pod: Pod): boolean =>
    controllerOf(pod)?.kind === "DaemonSet" ||
    pod.metadata?.annotations?.["kubernetes.io/config.mirror"] !== undefined ||
    pod.status?.phase === "Succeeded" ||
    pod.status?.phase === "Failed";
  return { go: items.filter((pod) => !stays(pod)), stay: items.filter(stays) };
}

function nameOf({ metadata }: Pod): string {
  return `${metadata?.namespace ?? "?"}/${metadata?.name ?? "?"}`;
}

function hasLocalData({ spec }: Pod): boolean {
  return spec?.volumes?.some(({ emptyDir }) => emptyDir !== undefined) === true;
}

function uidsOf(plan: Plan): string[] {
  const pods: unknown = plan["pods"];
  return Array.isArray(pods) ? pods.map((one) => String(Object(one).uid)) : [];
}
