/** Takes a node out of scheduling, and puts it back. One at a time, and never the last that takes pods. */
import type { Action, ActionContext, Done, Previewed } from "../../action.js";
import type { Plan } from "../../plans.js";
import { failed, impossible, planOn, runOn, succeeded } from "./answers.js";
import { type Cluster, openCluster } from "./cluster.js";
import { type ClusterNode, holds, type Listed } from "./objects.js";
import { nodePath, nodesPath } from "./paths.js";

interface Target {
  readonly cluster: string;
  readonly node: string;
}

export const cordonNode: Action<"cordon-node"> = {
  name: "cordon-node",

  preview: (args, context) =>
    planOn(args.cluster, context, async (cluster): Promise<Previewed> => {
      const { items } = await cluster.get<Listed<ClusterNode>>(nodesPath);
      const node = nodeIn(items, args.node);
      if (node === undefined) return impossible(`there is no node ${args.node}`);
      if (node.spec?.unschedulable === true) return impossible(`${args.node} is cordoned already`);
      const why = whyNotOut(items, args.node);
      if (why !== undefined) return impossible(why);
      const plan = planFor("cordon-node", args, node, "uncordon-node");
      return { kind: "planned", plan, summary: `would let ${args.node} take no new pods` };
    }),

  observed,

  run: (args, plan, context) => set(args, plan, true, context),

  afterInterruption: whatIsKnown,
};

export const uncordonNode: Action<"uncordon-node"> = {
  name: "uncordon-node",

  preview: (args, context) =>
    planOn(args.cluster, context, async (cluster): Promise<Previewed> => {
      const node = await cluster.find<ClusterNode>(nodePath(args.node));
      if (node === undefined) return impossible(`there is no node ${args.node}`);
      if (node.spec?.unschedulable !== true) return impossible(`${args.node} is not cordoned`);
      const plan = planFor("uncordon-node", args, node, "cordon-node");
      return { kind: "planned", plan, summary: `would let ${args.node} take pods again` };
    }),

  observed,

  run: (args, plan, context) => set(args, plan, false, context),

  afterInterruption: whatIsKnown,
};

function planFor(action: string, { cluster, node }: Target, now: ClusterNode, inverse: string): Plan {
  return {
    action,
    arguments: { cluster, node },
    before: { uid: now.metadata?.uid, unschedulable: now.spec?.unschedulable === true },
    inverse: { action: inverse, arguments: { cluster, node } },
  };
}

function observed(plan: Plan): { uid: string; unschedulable: boolean } {
  const { uid, unschedulable } = Object(plan["before"]) as { uid: string; unschedulable: boolean };
  return { uid, unschedulable };
}

function nodeIn(nodes: readonly ClusterNode[], name: string): ClusterNode | undefined {
  return nodes.find(({ metadata }) => metadata?.name === name);
}

/** Why a node must stay in; undefined when it may go. */
export function whyNotOut(nodes: readonly ClusterNode[], name: string): string | undefined {
  const others = nodes.filter(({ metadata }) => metadata?.name !== name);
  const out = others.filter(({ spec }) => spec?.unschedulable === true);
  if (out.length > 0)
    return `${out.map(({ metadata }) => metadata?.name).join(", ")} is cordoned already: one node at a time`;
  if (!others.some(({ status }) => holds(status?.conditions, "Ready")))
    return `no other node is ready to take pods`;
  return undefined;
}

/** Sets it, if it is still what the plan saw, and asks the API server for it anew. */
export async function setUnschedulable(
  cluster: Cluster,
  name: string,
  unschedulable: boolean,
): Promise<string | undefined> {
  const now = await cluster.get<ClusterNode>(nodePath(name));
  await cluster.patch(nodePath(name), "merge", {
    metadata: { resourceVersion: now.metadata?.resourceVersion },
    spec: { unschedulable: unschedulable ? true : null },
  });
  const after = await cluster.get<ClusterNode>(nodePath(name));
  return (after.spec?.unschedulable === true) === unschedulable
    ? undefined
    : `${name} was set, and is ${unschedulable ? "not cordoned" : "still cordoned"}`;
}

function set(args: Target, plan: Plan, unschedulable: boolean, context: ActionContext): Promise<Done> {
  return runOn(args.cluster, context, async (cluster) => {
    const { items } = await cluster.get<Listed<ClusterNode>>(nodesPath);
    const now = nodeIn(items, args.node);
    const was = observed(plan);
    if (now?.metadata?.uid !== was.uid || (now.spec?.unschedulable === true) !== was.unschedulable)
      return failed(`${args.node} is not what it was when it was planned; nothing was done`);
    const why = unschedulable ? whyNotOut(items, args.node) : undefined;
    if (why !== undefined) return failed(why);
    const trouble = await setUnschedulable(cluster, args.node, unschedulable);
    if (trouble !== undefined) return failed(trouble);
    const word = unschedulable ? "takes no new pods" : "takes pods again";
    return succeeded(`${args.node} ${word}`, { before: was.unschedulable, after: unschedulable });
  });
}

async function whatIsKnown(args: Target, _plan: Plan, context: ActionContext): Promise<string> {
  const node = await (await openCluster(args.cluster, context)).find<ClusterNode>(nodePath(args.node));
  if (node === undefined) return `there is no node ${args.node} any more`;
  return `${args.node} is ${node.spec?.unschedulable === true ? "cordoned" : "not cordoned"}`;
}
