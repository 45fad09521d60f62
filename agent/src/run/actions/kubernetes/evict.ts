/** Evicting one pod: what speaks against it, and doing it until the same owner's new pod is ready. */
import type { ActionContext } from "../../action.js";
import { lookUntil } from "./answers.js";
import type { Cluster } from "./cluster.js";
import { ClusterRefusal } from "./cluster.js";
import { controllerOf, type DisruptionBudget, isReady, type Listed, matches, type Pod } from "./objects.js";
import { budgetsPath, podPath, podsPath } from "./paths.js";

/** Names of the disruption budgets of a pod that let none go now. */
export async function budgetsInTheWay(cluster: Cluster, pod: Pod): Promise<string[]> {
  const { items } = await cluster.get<Listed<DisruptionBudget>>(budgetsPath(pod.metadata?.namespace ?? ""));
  return items
    .filter(
      ({ spec, status }) => matches(spec?.selector, pod.metadata?.labels) && !status?.disruptionsAllowed,
    )
    .map(({ metadata }) => metadata?.name ?? "?");
}

export type Evicted =
  | { readonly kind: "replaced"; readonly by: string }
  | { readonly kind: "failed"; readonly because: string };

/**
 * Asks for the eviction, which the API server refuses as long as a disruption budget is in the way, waits until the pod is
 * gone, and until its owner has a pod that was not there before and is ready (or has ended well).
 */
export async function evictAndWait(
  cluster: Cluster,
  pod: Pod,
  waitSeconds: number,
  context: ActionContext,
): Promise<Evicted> {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const owner = controllerOf(pod);
  const podsOfOwner = async (): Promise<readonly Pod[]> => {
    const { items } = await cluster.get<Listed<Pod>>(podsPath(namespace));
    return items.filter((one) => owner !== undefined && controllerOf(one)?.uid === owner.uid);
  };
  const before = new Set((await podsOfOwner()).map(({ metadata }) => metadata?.uid));
  let refusal = "";
  const accepted = await lookUntil(context, waitSeconds, async () => {
    try {
      await cluster.post(`${podPath(namespace, name)}/eviction`, {
        apiVersion: "policy/v1",
        kind: "Eviction",
        metadata: { name, namespace },
        // A new pod of the same name is another pod.
        deleteOptions: { preconditions: { uid } },
      });
      return true;
    } catch (error) {
      if (!(error instanceof ClusterRefusal)) throw error;
      if (error.code === 404) return true;
      if (error.code !== 429) throw error;
      if (refusal === "") context.say(`${namespace}/${name} must stay for now: ${error.message}`, "stderr");
      refusal = error.message;
      return undefined;
    }
  });
  if (accepted === undefined) {
    const budgets = await budgetsInTheWay(cluster, pod);
    const because = budgets.length > 0 ? `disruption budget ${budgets.join(", ")} lets none go` : refusal;
    return { kind: "failed", because: `${namespace}/${name} was not evicted: ${because}` };
  }
  context.say(`${namespace}/${name} is evicted`);
  const by = await lookUntil(context, waitSeconds, async () => {
    const now = await cluster.find<Pod>(podPath(namespace, name));
    if (now?.metadata?.uid === uid) return undefined;
    const fresh = (await podsOfOwner()).find(
      (one) => !before.has(one.metadata?.uid) && (isReady(one) || one.status?.phase === "Succeeded"),
    );
    return fresh?.metadata?.name;
  });
  if (by === undefined) {
    const place =
      owner === undefined ? "it had no owner" : `${owner.kind} ${owner.name} has no new pod that is ready`;
    return { kind: "failed", because: `${namespace}/${name} is gone, and ${place} after ${waitSeconds} s` };
  }
  context.say(`${namespace}/${by} is ready in its place`);
  return { kind: "replaced", by };
}

/** Why a pod cannot be evicted at all; undefined when it can. */
export function whyNeverEvicted(pod: Pod): string | undefined {
  if (pod.metadata?.annotations?.["kubernetes.io/config.mirror"] !== undefined)
    return "it is a static pod of its node";
  if (controllerOf(pod) === undefined) return "nothing would bring it back: it has no controller";
  return undefined;
}
