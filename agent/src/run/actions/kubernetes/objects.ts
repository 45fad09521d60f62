/** What of Kubernetes' objects the actions look at. All may be absent, as in the API itself. */
import type { Json } from "../../canonical.js";

export interface Metadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly Owner[];
}

export interface Owner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

export interface Listed<T> {
  readonly items: readonly T[];
}

export interface Pod {
  readonly metadata?: Metadata;
  readonly spec?: {
    readonly nodeName?: string;
    readonly volumes?: readonly { readonly name?: string; readonly emptyDir?: Json }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly {
      readonly name?: string;
      readonly restartCount?: number;
      readonly state?: { readonly waiting?: { readonly reason?: string } };
    }[];
  };
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/** A Deployment or a StatefulSet. */
export interface Workload {
  readonly metadata?: Metadata;
  readonly spec?: {
    readonly replicas?: number;
    readonly paused?: boolean;
    readonly selector?: Selector;
    readonly template?: { readonly metadata?: Metadata; readonly [part: string]: unknown };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly currentRevision?: string;
    readonly updateRevision?: string;
    readonly conditions?: readonly Condition[];
  };
}

export interface Autoscaler {
  readonly metadata?: Metadata;
  readonly spec?: {
    readonly minReplicas?: number;
    readonly maxReplicas?: number;
    readonly scaleTargetRef?: { readonly kind?: string; readonly name?: string };
  };
}

export interface DisruptionBudget {
  readonly metadata?: Metadata;
  readonly spec?: { readonly selector?: Selector };
  readonly status?: { readonly disruptionsAllowed?: number };
}

export interface ClusterNode {
  readonly metadata?: Metadata;
  readonly spec?: { readonly unschedulable?: boolean };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Whoever brings a pod back when it is gone. */
export function controllerOf(pod: Pod): Owner | undefined {
  return pod.metadata?.ownerReferences?.find(({ controller }) => controller === true);
}

/** Whether a pod serves: it is ready and is not on its way out. */
export function isReady({ metadata, status }: Pod): boolean {
  return metadata?.deletionTimestamp === undefined && holds(status?.conditions, "Ready");
}

/** Whether a condition is true. */
export function holds(conditions: readonly Condition[] | undefined, type: string): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === "True") === true;
}

/** Whether a selector matches labels. One that is absent matches nothing, one that is empty everything. */
export function matches(
  selector: Selector | undefined,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  if (selector === undefined) return false;
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return (
    equal &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === "In") return value !== undefined && values.includes(value);
      if (operator === "NotIn") return value === undefined || !values.includes(value);
      if (operator === "Exists") return value !== undefined;
      return operator === "DoesNotExist" && value === undefined;
    })
  );
}

/** Why a workload's pods do not come up, as far as the API tells; undefined when nothing speaks against them. */
export function troubleOf(pods: readonly Pod[]): string | undefined {
  for (const { metadata, status } of pods) {
    for (const { state, restartCount = 0 } of status?.containerStatuses ?? []) {
      const reason = state?.waiting?.reason ?? "";
      const isStuck = /^(ImagePullBackOff|ErrImagePull|InvalidImageName|CreateContainerConfigError)$/.test(
        reason,
      );
      if (isStuck || (reason === "CrashLoopBackOff" && restartCount >= 2))
        return `pod ${metadata?.name ?? "?"}: ${reason}`;
    }
  }
  return undefined;
}
