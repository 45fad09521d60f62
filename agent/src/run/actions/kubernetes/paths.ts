/** Where objects are in the API. Names were checked to be plain, so nothing in them leads elsewhere. */
import type { WorkloadKind } from "../../kubernetes-arguments.js";

const core = (namespace: string): string => `/api/v1/namespaces/${namespace}`;

export const podPath = (namespace: string, name: string): string => `${core(namespace)}/pods/${name}`;
export const podsPath = (namespace: string): string => `${core(namespace)}/pods`;
export const nodePath = (name: string): string => `/api/v1/nodes/${name}`;
export const nodesPath = "/api/v1/nodes";
export const podsOnNodePath = (node: string): string => `/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`;
export const workloadPath = (namespace: string, kind: WorkloadKind, name: string): string =>
  `/apis/apps/v1/namespaces/${namespace}/${kind}s/${name}`;
export const replicaSetsPath = (namespace: string): string =>
  `/apis/apps/v1/namespaces/${namespace}/replicasets`;
export const autoscalersPath = (namespace: string): string =>
  `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`;
export const budgetsPath = (namespace: string): string =>
  `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
