/** Objects of the Kubernetes contract server: what they look like, where they are, and how they are changed. */

export interface Meta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller: boolean;
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Meta;
  spec: Record<string, unknown>;
  status: Record<string, unknown>;
}

/** A kind of object and what one may do to it. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly short: readonly string[];
  readonly namespaced: boolean;
  readonly scales?: true;
}

const of = (
  group: string,
  version: string,
  plural: string,
  kind: string,
  short: readonly string[],
  more: { readonly namespaced?: false; readonly scales?: true } = {},
): Resource => ({ group, version, plural, kind, short, namespaced: true, ...more });

export const resources: readonly Resource[] = [
  of("", "v1", "namespaces", "Namespace", ["ns"], { namespaced: false }),
  of("", "v1", "nodes", "Node", ["no"], { namespaced: false }),
  of("", "v1", "pods", "Pod", ["po"]),
  of("apps", "v1", "deployments", "Deployment", ["deploy"], { scales: true }),
  of("apps", "v1", "replicasets", "ReplicaSet", ["rs"], { scales: true }),
  of("apps", "v1", "statefulsets", "StatefulSet", ["sts"], { scales: true }),
  of("apps", "v1", "daemonsets", "DaemonSet", ["ds"]),
  of("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ["hpa"]),
  of("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", ["pdb"]),
];

/** A refusal, as the API server words it. */
export class Refusal extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly version: number;
  readonly resource: Resource;
  readonly object: KubeObject;
}

const eventsMax = 5_000;

/** All objects. Each change has a version of its own, and a change against an older version is refused. */
export class ObjectStore {
  readonly #objects = new Map<string, KubeObject>();
  readonly #listeners = new Set<(event: WatchEvent) => void>();
  readonly events: WatchEvent[] = [];
  version = 1;
  #names = 0;

  list(plural: string, namespace?: string): KubeObject[] {
    const found: KubeObject[] = [];
    for (const [key, object] of this.#objects) {
      if (!key.startsWith(`${plural}/`)) continue;
      if (namespace === undefined || object.metadata.namespace === namespace) found.push(object);
    }
    return found;
  }

  find(plural: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#objects.get(`${plural}/${namespace ?? ""}/${name}`);
  }

  get(resource: Resource, namespace: string | undefined, name: string): KubeObject {
    const found = this.find(resource.plural, namespace, name);
    if (found === undefined) throw new Refusal(404, "NotFound", `${resource.plural} "${name}" not found`);
    return found;
  }

  create(resource: Resource, namespace: string | undefined, wish: unknown): KubeObject {
    const given = wish as Partial<KubeObject> & { metadata?: Partial<Meta> };
    const name = given.metadata?.name ?? "";
    const key = `${resource.plural}/${namespace ?? ""}/${name}`;
    if (name === "") throw new Refusal(422, "Invalid", "metadata.name is required");
    if (this.#objects.has(key))
      throw new Refusal(409, "AlreadyExists", `${resource.plural} "${name}" already exists`);
    const object: KubeObject = {
      apiVersion: resource.group === "" ? resource.version : `${resource.group}/${resource.version}`,
      kind: resource.kind,
      metadata: {
        ...given.metadata,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        uid: `uid-${++this.#names}`,
        resourceVersion: "",
        generation: 1,
        creationTimestamp: now(),
      },
      spec: given.spec ?? {},
      status: given.status ?? {},
    };
    if (resource.scales === true) object.spec["replicas"] ??= 1;
    this.#objects.set(key, object);
    return this.#tell("ADDED", resource, object);
  }

  /** Replaces an object. A new generation begins when its spec is another. */
  update(resource: Resource, next: KubeObject): KubeObject {
    const { metadata } = next;
    const was = this.get(resource, metadata.namespace, metadata.name);
    if (metadata.resourceVersion !== was.metadata.resourceVersion)
      throw new Refusal(
        409,
        "Conflict",
        `Operation cannot be fulfilled on ${resource.plural} "${metadata.name}": the object has been modified`,
      );
    if (JSON.stringify(was) === JSON.stringify(next)) return was;
    const isNew = JSON.stringify(was.spec) !== JSON.stringify(next.spec);
    const object = {
      ...next,
      metadata: { ...metadata, generation: was.metadata.generation + (isNew ? 1 : 0) },
    };
    this.#objects.set(`${resource.plural}/${metadata.namespace ?? ""}/${metadata.name}`, object);
    return this.#tell("MODIFIED", resource, object);
  }

  remove(resource: Resource, object: KubeObject): void {
    const { namespace, name } = object.metadata;
    this.#objects.delete(`${resource.plural}/${namespace ?? ""}/${name}`);
    this.#tell("DELETED", resource, object);
  }

  onEvent(listener: (event: WatchEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(type: WatchEvent["type"], resource: Resource, object: KubeObject): KubeObject {
    object.metadata.resourceVersion = String(++this.version);
    const event = { type, version: this.version, resource, object };
    this.events.push(event);
    if (this.events.length > eventsMax) this.events.shift();
    for (const listener of this.#listeners) listener(event);
    return object;
  }
}

/** The time as the API has it: whole seconds. */
export function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, "Z");
}

/** What a body does to an object, by its content type. */
export function patched(object: unknown, patch: unknown, contentType: string): unknown {
  if (contentType.startsWith("application/json-patch")) return jsonPatched(object, patch);
  return merged(object, patch, contentType.startsWith("application/strategic"));
}

/** A merge patch; a strategic one merges lists of named things by their names. */
function merged(target: unknown, patch: unknown, strategic: boolean): unknown {
  if (Array.isArray(patch)) return strategic && Array.isArray(target) ? byName(target, patch) : patch;
  if (typeof patch !== "object" || patch === null) return patch;
  const result: Record<string, unknown> = { ...(typeof target === "object" ? target : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (!key.startsWith("$")) result[key] = merged(result[key], value, strategic);
  }
  return result;
}

function byName(target: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const nameOf = (value: unknown): unknown => (Object(value) as { name?: unknown }).name;
  if (!patch.every((one) => nameOf(one) !== undefined)) return [...patch];
  const result = [...target];
  for (const one of patch) {
    const at = result.findIndex((known) => nameOf(known) === nameOf(one));
    if (at < 0) result.push(one);
    else result[at] = merged(result[at], one, true);
  }
  return result;
}

function jsonPatched(object: unknown, patch: unknown): unknown {
  const result: unknown = structuredClone(object);
  for (const { op, path, value } of patch as { op: string; path: string; value?: unknown }[]) {
    const keys = path
      .split("/")
      .slice(1)
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = keys.pop() ?? "";
    let place = result as Record<string, unknown>;
    for (const key of keys) place = place[key] as Record<string, unknown>;
    if (op === "test") {
      if (JSON.stringify(place[last]) !== JSON.stringify(value))
        throw new Refusal(422, "Invalid", `the test of ${path} failed`);
    } else if (op === "remove") delete place[last];
    else place[last] = value;
  }
  return result;
}

/** Whether a selector of an object (matchLabels only) matches labels. */
export function selects(selector: unknown, labels: Readonly<Record<string, string>> = {}): boolean {
  const { matchLabels = {} } = Object(selector) as { matchLabels?: Record<string, string> };
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
}
