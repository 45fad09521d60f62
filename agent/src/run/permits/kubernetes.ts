/** Whether this host lets workloads and nodes of a Kubernetes cluster be touched, and which. Pure. */
import type { Fields } from "../../fields.js";
import { workloadKinds } from "../kubernetes-arguments.js";
import {
  absolutePath,
  declared,
  declaredName,
  deny,
  oneOf,
  required,
  requiredName,
  type Verdict,
} from "../verdict.js";

/** Clusters that this host may act on. */
export interface KubernetesPolicy {
  readonly clusters: readonly DeclaredCluster[];
}

/** The actions on clusters, as the policy may name them. */
export const kubernetesActions = [
  "evict-pod",
  "scale-workload",
  "rollout-restart",
  "rollout-undo",
  "cordon-node",
  "uncordon-node",
  "drain-node",
] as const;
export type KubernetesAction = (typeof kubernetesActions)[number];

/** A cluster with the way to it. What the login may do there is the cluster's own word. */
export interface DeclaredCluster {
  readonly name: string;
  readonly kubeconfig: string;
  /** The file's current context when undefined. */
  readonly context: string | undefined;
  /** Default: none, so only nodes may be touched. */
  readonly namespaces: readonly string[];
  /** Nodes that may be cordoned and drained, by name; `*` stands for all. Default: none. */
  readonly nodes: readonly string[];
  readonly actions: readonly KubernetesAction[];
  /** How many replicas a workload may be given. Default 1 to 20. */
  readonly minReplicas: number;
  readonly maxReplicas: number;
}

/** Names as Kubernetes has them (RFC 1123). */
const objectName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

export function readKubernetes(fields: Fields): KubernetesPolicy {
  const clusters = fields.each("clusters").map((cluster): DeclaredCluster => {
    const named = cluster.texts("actions", `one of ${kubernetesActions.join(", ")}`, isAction);
    const read = {
      name: required(cluster, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      kubeconfig: required(cluster, "kubeconfig", "an absolute path", absolutePath),
      context: cluster.text("context", undefined, "a context's name", /^[^\0\r\n]{1,253}$/),
      namespaces: cluster.texts("namespaces", "a namespace's name", objectName),
      nodes: cluster.texts("nodes", "a node's name, or *", /^(\*|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)$/),
      actions: kubernetesActions.filter((action) => named.includes(action)),
      minReplicas: cluster.integer("minReplicas", 1, 0, 10_000),
      maxReplicas: cluster.integer("maxReplicas", 20, 1, 10_000),
    };
    cluster.done();
    return read;
  });
  fields.done();
  return { clusters };
}

const isAction = new RegExp(`^(${kubernetesActions.join("|")})$`);

export function allowKubernetes(
  own: KubernetesPolicy | undefined,
  action: KubernetesAction,
  fields: Fields,
): Verdict {
  const cluster = requiredName(fields, "cluster", "cluster");
  const known = declared(own?.clusters, cluster);
  const place = `actions.kubernetes.clusters (${cluster})`;
  const isOnNode = action === "cordon-node" || action === "uncordon-node" || action === "drain-node";
  const where = isOnNode ? "node" : "namespace";
  const within = required(fields, where, `a ${where}'s name`, objectName);
  const args = argumentsOf(action, cluster, within, fields);
  if (own === undefined) return deny("actions.kubernetes is not set on this host");
  if (known === undefined) return deny(`${cluster} is not in actions.kubernetes.clusters`);
  if (!known.actions.includes(action)) return deny(`${action} is not in the actions of ${place}`);
  const allowed = isOnNode ? known.nodes : known.namespaces;
  if (!allowed.includes(within) && !(isOnNode && allowed.includes("*")))
    return deny(`${where} ${within} is not in the ${where}s of ${place}`);
  if (args.action === "scale-workload") {
    const { replicas } = args;
    if (replicas < known.minReplicas || replicas > known.maxReplicas)
      return deny(`${replicas} replicas: ${place} allows ${known.minReplicas} to ${known.maxReplicas}`);
  }
  return { kind: "allow", arguments: args };
}

type Allowed = Extract<Verdict, { kind: "allow" }>["arguments"];

function argumentsOf(action: KubernetesAction, cluster: string, within: string, fields: Fields): Allowed {
  const wait = (): number => fields.integer("waitSeconds", 120, 1, 3600);
  const name = (): string => required(fields, "name", "a workload's name", objectName);
  const namespace = within;
  switch (action) {
    case "evict-pod": {
      const pod = required(fields, "pod", "a pod's name", objectName);
      return { action, cluster, namespace, pod, waitSeconds: wait() };
    }
    case "scale-workload": {
      const kind = oneOf(fields, "kind", workloadKinds, "deployment");
      if (!fields.has("replicas")) fields.fault("replicas", undefined, "a whole number");
      const replicas = fields.integer("replicas", 1, 0, 10_000);
      return { action, cluster, namespace, kind, name: name(), replicas, waitSeconds: wait() };
    }
    case "rollout-restart": {
      const kind = oneOf(fields, "kind", workloadKinds, "deployment");
      return { action, cluster, namespace, kind, name: name(), waitSeconds: wait() };
    }
    case "rollout-undo": {
      const revision = fields.has("revision") ? fields.integer("revision", 1, 1, 1_000_000_000) : undefined;
      return { action, cluster, namespace, name: name(), revision, waitSeconds: wait() };
    }
    case "cordon-node":
    case "uncordon-node":
      return { action, cluster, node: within };
    case "drain-node":
      return { action, cluster, node: within, waitSeconds: wait() };
  }
}
