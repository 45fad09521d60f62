/**
 * What makes objects of the contract server true, many times a second: deployments roll without going below what is asked,
 * pods are placed and become ready after a while, autoscalers insist on their bounds, disruption budgets are counted.
 */
import { createHash } from "node:crypto";
import {
  type KubeObject,
  now,
  type ObjectStore,
  type Resource,
  resources,
  selects,
} from "./kubernetes-objects.js";

/** How quickly things happen, in ms. */
export interface Pace {
  readonly readyAfterMs: number;
  readonly goneAfterMs: number;
}

interface Template {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: { containers?: { name: string; image: string }[] };
}
interface WorkloadSpec {
  replicas?: number;
  selector?: { matchLabels?: Record<string, string> };
  template?: Template;
  paused?: boolean;
  progressDeadlineSeconds?: number;
}

const revisionKey = "deployment.kubernetes.io/revision";
const hashKey = "pod-template-hash";

function resource(plural: string): Resource {
  const found = resources.find((one) => one.plural === plural);
  if (found === undefined) throw new Error(`no resource ${plural}`);
  return found;
}
const [pods, replicaSets, deployments, statefulSets, budgets] = [
  resource("pods"),
  resource("replicasets"),
  resource("deployments"),
  resource("statefulsets"),
  resource("poddisruptionbudgets"),
] as const;

export class Controllers {
  readonly #store: ObjectStore;
  readonly #pace: Pace;
  readonly #since = new Map<string, number>();
  #serial = 0;

  constructor(store: ObjectStore, pace: Pace) {
    this.#store = store;
    this.#pace = pace;
  }

  /** One round over everything. */
  reconcile(): void {
    for (const one of this.#store.list("horizontalpodautoscalers")) this.#autoscale(one);
    for (const one of this.#store.list("deployments")) this.#deploy(one);
    for (const one of this.#store.list("replicasets")) this.#fill(one);
    for (const one of this.#store.list("statefulsets")) this.#fillStateful(one);
    for (const one of this.#store.list("pods")) this.#live(one);
    for (const one of this.#store.list("poddisruptionbudgets")) this.#count(one);
  }

  /** Begins the end of a pod. */
  delete(pod: KubeObject): void {
    if (pod.metadata.deletionTimestamp !== undefined) return;
    this.#since.set(pod.metadata.uid, performance.now());
    this.#store.update(pods, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: now() } });
  }

  #autoscale(autoscaler: KubeObject): void {
    const {
      scaleTargetRef,
      minReplicas = 1,
      maxReplicas = 1,
    } = autoscaler.spec as {
      scaleTargetRef?: { name?: string };
      minReplicas?: number;
      maxReplicas?: number;
    };
    const target = this.#store.find("deployments", autoscaler.metadata.namespace, scaleTargetRef?.name ?? "");
    if (target === undefined) return;
    const replicas = Number(target.spec["replicas"]);
    // There is no load here, so the lower bound is what it wants.
    const wanted = Math.min(maxReplicas, minReplicas);
    if (replicas !== wanted)
      this.#store.update(deployments, { ...target, spec: { ...target.spec, replicas: wanted } });
  }

  #deploy(deployment: KubeObject): void {
    const { namespace, name, uid } = deployment.metadata;
    const {
      replicas = 1,
      selector,
      template = {},
      progressDeadlineSeconds = 600,
    } = deployment.spec as WorkloadSpec;
    const hash = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 10);
    const owned = this.#store.list("replicasets", namespace).filter((one) => isOwnedBy(one, uid));
    let current = owned.find(({ metadata }) => metadata.labels?.[hashKey] === hash);
    const revisions = owned.map(({ metadata }) => Number(metadata.annotations?.[revisionKey] ?? 0));
    const newest = Math.max(0, ...revisions);
    if (current === undefined) {
      const labels = { ...template.metadata?.labels, [hashKey]: hash };
      current = this.#store.create(replicaSets, namespace, {
        metadata: {
          name: `${name}-${hash}`,
          labels,
          annotations: { [revisionKey]: String(newest + 1) },
          ownerReferences: [owner(deployment)],
        },
        spec: {
          replicas: 0,
          selector: { matchLabels: { ...selector?.matchLabels, [hashKey]: hash } },
          template: { ...template, metadata: { ...template.metadata, labels } },
        },
      });
    } else if (Number(current.metadata.annotations?.[revisionKey]) < newest) {
      const annotations = { ...current.metadata.annotations, [revisionKey]: String(newest + 1) };
      current = this.#store.update(replicaSets, {
        ...current,
        metadata: { ...current.metadata, annotations },
      });
    }
    const fresh = current;
    const others = owned.filter(({ metadata }) => metadata.uid !== fresh.metadata.uid);
    const sizeOf = (set: KubeObject): number => Number(set.spec["replicas"]);
    const readyOf = (set: KubeObject): number => this.#podsOf(set).filter(isReady).length;
    const total = [fresh, ...others].reduce((sum, set) => sum + sizeOf(set), 0);
    // One more than asked for at a time, and none fewer.
    const grow = Math.max(0, Math.min(replicas - sizeOf(fresh), replicas + 1 - total));
    this.#resize(fresh, others.length === 0 ? replicas : Math.min(replicas, sizeOf(fresh) + grow));
    let spare = [fresh, ...others].reduce((sum, set) => sum + readyOf(set), 0) - replicas;
    for (const old of others) {
      const dead = this.#podsOf(old).filter((pod) => !isReady(pod)).length;
      const shrink = Math.min(sizeOf(old), Math.max(0, Math.max(spare, 0) + dead));
      if (shrink > 0) this.#resize(old, sizeOf(old) - shrink);
      spare -= shrink;
    }
    const all = [fresh, ...others].flatMap((set) => this.#podsOf(set));
    const ready = all.filter(isReady).length;
    const done = readyOf(fresh) === replicas && all.length === replicas;
    const progressKey = `${uid} ${hash} ${readyOf(fresh)} ${done}`;
    if (!this.#since.has(progressKey)) this.#since.set(progressKey, performance.now());
    const isLate = performance.now() - (this.#since.get(progressKey) ?? 0) > progressDeadlineSeconds * 1000;
    const status = {
      observedGeneration: deployment.metadata.generation,
      replicas: all.length,
      updatedReplicas: this.#podsOf(fresh).length,
      readyReplicas: ready,
      availableReplicas: ready,
      unavailableReplicas: Math.max(0, replicas - ready),
      conditions: [
        { type: "Available", status: ready >= replicas ? "True" : "False", reason: "x" },
        !done && isLate
          ? {
              type: "Progressing",
              status: "False",
              reason: "ProgressDeadlineExceeded",
              message: `ReplicaSet "${fresh.metadata.name}" has timed out progressing.`,
            }
          : {
              type: "Progressing",
              status: "True",
              reason: done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
            },
      ],
    };
    const revision = fresh.metadata.annotations?.[revisionKey] ?? "";
    const metadata = {
      ...deployment.metadata,
      annotations: { ...deployment.metadata.annotations, [revisionKey]: revision },
    };
    this.#store.update(deployments, { ...deployment, metadata, status });
  }

  #resize(set: KubeObject, replicas: number): void {
    if (set.spec["replicas"] === replicas) return;
    const latest = this.#store.get(replicaSets, set.metadata.namespace, set.metadata.name);
    this.#store.update(replicaSets, { ...latest, spec: { ...latest.spec, replicas } });
  }

  #fill(set: KubeObject): void {
    const { replicas = 0, template = {} } = set.spec as WorkloadSpec;
    const own = this.#podsOf(set).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    for (let missing = replicas - own.length; missing > 0; missing--)
      this.#make(set, `${set.metadata.name}-${(++this.#serial).toString(36).padStart(5, "0")}`, template);
    // Who is not ready goes first.
    const surplus = [...own].sort((a, b) => Number(isReady(a)) - Number(isReady(b)));
    for (const pod of surplus.slice(0, Math.max(0, own.length - replicas))) this.delete(pod);
    const ready = own.filter(isReady).length;
    const status = {
      observedGeneration: set.metadata.generation,
      replicas: own.length,
      readyReplicas: ready,
    };
    this.#store.update(replicaSets, { ...set, status: { ...status, availableReplicas: ready } });
  }

  #fillStateful(set: KubeObject): void {
    const { name, generation } = set.metadata;
    const { replicas = 1, template = {} } = set.spec as WorkloadSpec;
    const hash = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 10);
    const revision = "controller-revision-hash";
    const own = this.#podsOf(set);
    for (let number = 0; number < replicas; number++) {
      const there = own.find(({ metadata }) => metadata.name === `${name}-${number}`);
      const labels = { ...template.metadata?.labels, [revision]: hash };
      if (there === undefined)
        this.#make(set, `${name}-${number}`, { ...template, metadata: { ...template.metadata, labels } });
      // In order: the next one only when this one is ready.
      if (there === undefined || !isReady(there)) break;
    }
    const staying = own.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const last = staying.find(({ metadata }) => metadata.name === `${name}-${staying.length - 1}`);
    if (staying.length > replicas && last !== undefined) this.delete(last);
    const updated = own.filter(({ metadata }) => metadata.labels?.[revision] === hash);
    const allReady = own.length === replicas && own.every(isReady);
    const old = own.filter(({ metadata }) => metadata.labels?.[revision] !== hash).at(-1);
    if (allReady && old !== undefined) this.delete(old);
    const ready = own.filter(isReady).length;
    this.#store.update(statefulSets, {
      ...set,
      status: {
        observedGeneration: generation,
        replicas: own.length,
        readyReplicas: ready,
        availableReplicas: ready,
        updatedReplicas: updated.length,
        currentReplicas: own.length,
        updateRevision: hash,
        currentRevision: updated.length === replicas ? hash : "old",
      },
    });
  }

  #make(set: KubeObject, name: string, template: Template): void {
    this.#store.create(pods, set.metadata.namespace, {
      metadata: {
        name,
        labels: { ...template.metadata?.labels },
        annotations: { ...template.metadata?.annotations },
        ownerReferences: [owner(set)],
      },
      spec: { ...template.spec },
      status: { phase: "Pending" },
    });
  }

  /** A pod is placed, comes up unless its image is bad, and goes when it is told to. */
  #live(pod: KubeObject): void {
    const { uid, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined) {
      if (performance.now() - (this.#since.get(uid) ?? 0) >= this.#pace.goneAfterMs)
        this.#store.remove(pods, pod);
      return;
    }
    if (pod.spec["nodeName"] === undefined) {
      const place = this.#place();
      if (place === undefined) return;
      this.#since.set(uid, performance.now());
      this.#store.update(pods, { ...pod, spec: { ...pod.spec, nodeName: place } });
      return;
    }
    if (isReady(pod) || performance.now() - (this.#since.get(uid) ?? 0) < this.#pace.readyAfterMs) return;
    const containers = (
      (pod.spec as { containers?: { name: string; image: string }[] }).containers ?? []
    ).map(({ name, image }) => ({ name, image }));
    const isBad = containers.some(({ image }) => image.includes("bad"));
    const status = {
      phase: isBad ? "Pending" : "Running",
      startTime: now(),
      conditions: [{ type: "Ready", status: isBad ? "False" : "True" }],
      containerStatuses: containers.map((container) => ({
        ...container,
        ready: !isBad,
        restartCount: 0,
        state: isBad ? { waiting: { reason: "ImagePullBackOff" } } : { running: { startedAt: now() } },
      })),
    };
    if (pod.status["phase"] === status.phase && isBad && pod.status["conditions"] !== undefined) return;
    this.#store.update(pods, { ...pod, status });
  }

  /** The schedulable node with the fewest pods. */
  #place(): string | undefined {
    const taken = this.#store.list("pods").map(({ spec }) => spec["nodeName"]);
    const open = this.#store.list("nodes").filter(({ spec }) => spec["unschedulable"] !== true);
    const load = (node: KubeObject): number => taken.filter((name) => name === node.metadata.name).length;
    return open.sort((a, b) => load(a) - load(b))[0]?.metadata.name;
  }

  #count(budget: KubeObject): void {
    const { namespace, generation } = budget.metadata;
    const { selector, minAvailable = 0 } = budget.spec as { selector?: unknown; minAvailable?: number };
    const own = this.#store
      .list("pods", namespace)
      .filter(({ metadata }) => selects(selector, metadata.labels));
    const healthy = own.filter(isReady).length;
    this.#store.update(budgets, {
      ...budget,
      status: {
        observedGeneration: generation,
        currentHealthy: healthy,
        desiredHealthy: minAvailable,
        expectedPods: own.length,
        disruptionsAllowed: Math.max(0, healthy - minAvailable),
      },
    });
  }

  #podsOf(set: KubeObject): KubeObject[] {
    return this.#store.list("pods", set.metadata.namespace).filter((pod) => isOwnedBy(pod, set.metadata.uid));
  }
}

function owner({ apiVersion, kind, metadata }: KubeObject) {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true };
}

function isOwnedBy({ metadata }: KubeObject, uid: string): boolean {
  return metadata.ownerReferences?.some((one) => one.uid === uid) === true;
}

function isReady({ metadata, status }: KubeObject): boolean {
  const conditions = (status as { conditions?: { type: string; status: string }[] }).conditions ?? [];
  const holds = conditions.some((one) => one.type === "Ready" && one.status === "True");
  return metadata.deletionTimestamp === undefined && holds;
}
