/** What tests put into a cluster with kubectl. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KubernetesContractServer } from "./kubernetes.js";

export interface WorkloadWish {
  readonly replicas: number;
  /** A disruption budget with this bound. */
  readonly minAvailable?: number;
  /** An autoscaler with these bounds. */
  readonly autoscaler?: { readonly min: number; readonly max: number };
}

/** Writes a deployment, and what watches over it, to a file for `kubectl create -f`. */
export function workload(server: KubernetesContractServer, name: string, wish: WorkloadWish): string {
  const labels = { app: name };
  const metadata = { name, namespace: "web" };
  const items: unknown[] = [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: wish.replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: "main", image: `registry.example/${name}:1` }] },
        },
      },
    },
  ];
  if (wish.minAvailable !== undefined)
    items.push({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata,
      spec: { minAvailable: wish.minAvailable, selector: { matchLabels: labels } },
    });
  if (wish.autoscaler !== undefined)
    items.push({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata,
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
        minReplicas: wish.autoscaler.min,
        maxReplicas: wish.autoscaler.max,
      },
    });
  const file = join(server.directory, `${name}.json`);
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return file;
}
