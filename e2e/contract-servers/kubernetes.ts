/**
 * A contract server for Kubernetes: no API server comes from npm or Debian, so this speaks the part of its HTTP API that
 * Mainstay's agent uses, with controllers that behave alike. That it is honest is tested with the real kubectl, which
 * reads, scales, cordons, drains, restarts and undoes against it. Tests that use it run against a real cluster when
 * KUBERNETES_TEST_SERVER names a kubeconfig, whose cluster has a namespace `web` and nodes of the names that the stories use.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Controllers, type Pace } from "./kubernetes-controllers.js";
import { selfSigned } from "./kubernetes-identity.js";
import {
  type KubeObject,
  now,
  ObjectStore,
  patched,
  Refusal,
  type Resource,
  resources,
  selects,
  type WatchEvent,
} from "./kubernetes-objects.js";

const token = "a-token-of-the-contract-server";
const everyMs = 25;

export class KubernetesContractServer {
  readonly store = new ObjectStore();
  readonly #controllers: Controllers;
  /** Where the tests may put files. */
  readonly directory = mkdtempSync(join(tmpdir(), "mainstay-kubernetes-"));
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #turning: NodeJS.Timeout | undefined;

  constructor(pace: Pace = { readyAfterMs: 100, goneAfterMs: 50 }) {
    this.#controllers = new Controllers(this.store, pace);
  }

  /** A file as kubectl and the agent read it. */
  get kubeconfig(): string {
    return process.env["KUBERNETES_TEST_SERVER"] ?? join(this.directory, "config");
  }

  /** Starts with nodes of these names. */
  async start(nodes: readonly string[]): Promise<this> {
    if (process.env["KUBERNETES_TEST_SERVER"] !== undefined) return this;
    const identity = await selfSigned();
    this.#server.setSecureContext(identity);
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("no address");
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "lab",
      clusters: [
        {
          name: "lab",
          cluster: {
            server: `https://127.0.0.1:${address.port}`,
            "certificate-authority-data": Buffer.from(identity.cert).toString("base64"),
          },
        },
      ],
      users: [{ name: "tester", user: { token } }],
      contexts: [{ name: "lab", context: { cluster: "lab", user: "tester", namespace: "web" } }],
    };
    writeFileSync(this.kubeconfig, JSON.stringify(config), { mode: 0o600 });
    this.store.create(resourceOf("namespaces"), undefined, { metadata: { name: "web" } });
    for (const name of nodes)
      this.store.create(resourceOf("nodes"), undefined, {
        metadata: { name, labels: { "kubernetes.io/hostname": name } },
        status: { conditions: [{ type: "Ready", status: "True" }] },
      });
    this.#turning = setInterval(() => this.#controllers.reconcile(), everyMs);
    return this;
  }

  async stop(): Promise<void> {
    clearInterval(this.#turning);
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const say = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const url = new URL(request.url ?? "/", "https://kubernetes");
    try {
      if (request.headers.authorization !== `Bearer ${token}`)
        throw new Refusal(401, "Unauthorized", "Unauthorized");
      const found = discovery(url.pathname) ?? this.#answer(request, response, url, text);
      if (found !== undefined) say(request.method === "POST" ? 201 : 200, found);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, "InternalError", String(error));
      const { code, reason, message } = refusal;
      say(code, { apiVersion: "v1", kind: "Status", metadata: {}, status: "Failure", code, reason, message });
    }
  }

  /** Undefined when it goes on to answer by itself. */
  #answer(request: IncomingMessage, response: ServerResponse, url: URL, text: string): unknown {
    const place = placeOf(url.pathname);
    const body: unknown = text === "" ? {} : JSON.parse(text);
    const { resource, namespace, name, sub } = place;
    if (name === undefined) {
      if (request.method === "POST") return this.store.create(resource, namespace, body);
      return url.searchParams.get("watch") === "true" || url.searchParams.get("watch") === "1"
        ? this.#watch(request, response, resource, namespace, url.searchParams)
        : this.#list(resource, namespace, url.searchParams);
    }
    const object = this.store.get(resource, namespace, name);
    if (sub === "eviction") return this.#evict(object, body);
    if (sub === "scale") return this.#scale(resource, object, request, body);
    switch (request.method) {
      case "GET":
        return object;
      case "PATCH": {
        const next = patched(object, body, request.headers["content-type"] ?? "") as KubeObject;
        return this.store.update(resource, next);
      }
      case "PUT":
        return this.store.update(resource, body as KubeObject);
      case "DELETE":
        if (resource.plural === "pods") this.#controllers.delete(object);
        else this.store.remove(resource, object);
        return { apiVersion: "v1", kind: "Status", status: "Success" };
      default:
        throw new Refusal(405, "MethodNotAllowed", `${request.method} is not served here`);
    }
  }

  #list(resource: Resource, namespace: string | undefined, query: URLSearchParams): unknown {
    const items = this.store.list(resource.plural, namespace).filter((one) => isWanted(one, query));
    return {
      apiVersion: resource.group === "" ? resource.version : `${resource.group}/${resource.version}`,
      kind: `${resource.kind}List`,
      metadata: { resourceVersion: String(this.store.version) },
      items,
    };
  }

  /** Changes after a version, then as they come. */
  #watch(
    request: IncomingMessage,
    response: ServerResponse,
    resource: Resource,
    namespace: string | undefined,
    query: URLSearchParams,
  ): undefined {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const tell = ({ type, object, resource: of }: WatchEvent): void => {
      if (of.plural !== resource.plural || !isWanted(object, query)) return;
      if (namespace !== undefined && object.metadata.namespace !== namespace) return;
      response.write(`${JSON.stringify({ type, object })}\n`);
    };
    const from = Number(query.get("resourceVersion") ?? 0);
    for (const event of this.store.events) if (event.version > from) tell(event);
    const end = this.store.onEvent(tell);
    request.socket.once("close", end);
    response.once("close", end);
    return undefined;
  }

  /** Refused while a disruption budget lets none go, as the real one does. */
  #evict(pod: KubeObject, body: unknown): unknown {
    const { deleteOptions } = body as { deleteOptions?: { preconditions?: { uid?: string } } };
    const uid = deleteOptions?.preconditions?.uid;
    if (uid !== undefined && uid !== pod.metadata.uid)
      throw new Refusal(409, "Conflict", `the pod's uid is ${pod.metadata.uid}, not ${uid}`);
    const { namespace, labels } = pod.metadata;
    for (const budget of this.store.list("poddisruptionbudgets", namespace)) {
      if (!selects(budget.spec["selector"], labels)) continue;
      const allowed = Number(budget.status["disruptionsAllowed"] ?? 0);
      if (allowed < 1)
        throw new Refusal(
          429,
          "TooManyRequests",
          "Cannot evict pod as it would violate the pod's disruption budget.",
        );
      const status = { ...budget.status, disruptionsAllowed: allowed - 1 };
      this.store.update(resourceOf("poddisruptionbudgets"), { ...budget, status });
    }
    this.#controllers.delete(pod);
    return { apiVersion: "v1", kind: "Status", metadata: {}, status: "Success" };
  }

  #scale(resource: Resource, object: KubeObject, request: IncomingMessage, body: unknown): unknown {
    const scale = scaleOf(object);
    if (request.method === "GET") return scale;
    const next = (
      request.method === "PUT" ? body : patched(scale, body, request.headers["content-type"] ?? "")
    ) as ReturnType<typeof scaleOf>;
    const metadata = { ...object.metadata, resourceVersion: next.metadata.resourceVersion };
    const spec = { ...object.spec, replicas: next.spec.replicas };
    return scaleOf(this.store.update(resource, { ...object, metadata, spec }));
  }
}

function scaleOf({ metadata, spec, status }: KubeObject) {
  const { name, namespace, uid, resourceVersion } = metadata;
  const { matchLabels = {} } = Object(spec["selector"]) as { matchLabels?: Record<string, string> };
  const selector = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  return {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp: metadata.creationTimestamp },
    spec: { replicas: Number(spec["replicas"]) },
    status: { replicas: Number(status["replicas"] ?? 0), selector: selector.join(",") },
  };
}

function resourceOf(plural: string): Resource {
  const found = resources.find((one) => one.plural === plural);
  if (found === undefined)
    throw new Refusal(404, "NotFound", "the server could not find the requested resource");
  return found;
}

interface Place {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly sub: string | undefined;
}

/** What a path is about. */
function placeOf(path: string): Place {
  const parts = path.split("/").slice(1);
  const [root, ...rest] = parts;
  const [group, version] = root === "api" ? ["", rest.shift()] : [rest.shift(), rest.shift()];
  let namespace: string | undefined;
  if (rest[0] === "namespaces" && rest.length > 2) [, namespace] = rest.splice(0, 2);
  const [plural = "", name, sub] = rest;
  const resource = resourceOf(plural);
  if (resource.group !== group || resource.version !== version)
    throw new Refusal(404, "NotFound", "the server could not find the requested resource");
  return { resource, namespace, name, sub };
}

function isWanted({ metadata, spec }: KubeObject, query: URLSearchParams): boolean {
  const labels = (query.get("labelSelector") ?? "").split(",").filter((one) => one !== "");
  const fields = (query.get("fieldSelector") ?? "").split(",").filter((one) => one !== "");
  const hasLabel = (one: string): boolean => {
    const [key = "", value = ""] = one.split(/==?/);
    return metadata.labels?.[key] === value;
  };
  const hasField = (one: string): boolean => {
    const [key = "", value = ""] = one.split(/==?/);
    if (key === "metadata.name") return metadata.name === value;
    return key === "spec.nodeName" ? (spec["nodeName"] ?? "") === value : true;
  };
  return labels.every(hasLabel) && fields.every(hasField);
}

/** What is served, as kubectl asks before anything else. */
function discovery(path: string): unknown {
  const groups = [...new Set(resources.map(({ group }) => group))].filter((group) => group !== "");
  const versionOf = (group: string): string => resources.find((one) => one.group === group)?.version ?? "v1";
  const groupOf = (group: string) => {
    const version = { groupVersion: `${group}/${versionOf(group)}`, version: versionOf(group) };
    return { name: group, versions: [version], preferredVersion: version };
  };
  if (path === "/version")
    return { major: "1", minor: "32", gitVersion: "v1.32.0-contract", buildDate: now() };
  if (path === "/api") return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
  if (path === "/apis") return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(groupOf) };
  const match = /^\/(?:api|apis\/([a-z.]+))\/(v\d)$/.exec(path);
  if (match === null) return undefined;
  const [, group = "", version = ""] = match;
  const verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
  const own = resources.filter((one) => one.group === group && one.version === version);
  const sub = (name: string, kind: string, more: object) => ({
    name,
    singularName: "",
    namespaced: true,
    kind,
    verbs,
    ...more,
  });
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? version : `${group}/${version}`,
    resources: own.flatMap(({ plural, kind, namespaced, short, scales }) => [
      {
        name: plural,
        singularName: kind.toLowerCase(),
        namespaced,
        kind,
        verbs,
        shortNames: short,
        categories: ["all"],
      },
      ...(scales === true ? [sub(`${plural}/scale`, "Scale", { group: "autoscaling", version: "v1" })] : []),
      ...(plural === "pods" ? [sub("pods/eviction", "Eviction", { group: "policy", version: "v1" })] : []),
    ]),
  };
}
