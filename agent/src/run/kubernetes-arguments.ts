/** Arguments of the actions on Kubernetes, checked. Waiting times are seconds. */

/** What has replicas. */
export const workloadKinds = ["deployment", "statefulset"] as const;
export type WorkloadKind = (typeof workloadKinds)[number];

/** Something in a namespace of a declared cluster. */
interface InNamespace {
  readonly cluster: string;
  readonly namespace: string;
}

export type KubernetesArguments =
  | (InNamespace & { readonly action: "evict-pod"; readonly pod: string; readonly waitSeconds: number })
  | (InNamespace & {
      readonly action: "scale-workload";
      readonly kind: WorkloadKind;
      readonly name: string;
      readonly replicas: number;
      readonly waitSeconds: number;
    })
  | (InNamespace & {
      readonly action: "rollout-restart";
      readonly kind: WorkloadKind;
      readonly name: string;
      readonly waitSeconds: number;
    })
  | (InNamespace & {
      readonly action: "rollout-undo";
      readonly name: string;
      /** The revision to go back to; the one before the present when undefined. */
      readonly revision: number | undefined;
      readonly waitSeconds: number;
    })
  | { readonly action: "cordon-node"; readonly cluster: string; readonly node: string }
  | { readonly action: "uncordon-node"; readonly cluster: string; readonly node: string }
  | {
      readonly action: "drain-node";
      readonly cluster: string;
      readonly node: string;
      readonly waitSeconds: number;
    };
