/**
 * A declared cluster's API. The official client reads the kubeconfig and logs in (certificates, tokens, exec plugins);
 * objects stay the JSON they are, because its models drop the fields that they do not know.
 */
import { type RequestOptions, request as send } from "node:https";
import type { ActionContext } from "../../action.js";
import type { Json } from "../../canonical.js";
import { declared } from "../../verdict.js";

/** An API server's no: `code` is the HTTP status. */
export class ClusterRefusal extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** How a body changes an object. */
export type PatchKind = "merge" | "json";

/** Speaks with one cluster. Paths begin at the server's root. Throws {@link ClusterRefusal}, or what the network throws. */
export interface Cluster {
  get<T>(path: string): Promise<T>;
  /** Undefined when there is no such object. */
  find<T>(path: string): Promise<T | undefined>;
  patch<T>(path: string, kind: PatchKind, body: Json): Promise<T>;
  post(path: string, body: Json): Promise<void>;
}

const answerMs = 10_000;
const answerBytesMax = 32 * 1024 * 1024;
const contentTypes: Readonly<Record<PatchKind, string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
};

/**
 * Opens a declared cluster. Requests are not cut off by a cancellation: what was asked for must be known to have been done
 * or not, and taking back comes after it. Throws when its kubeconfig cannot be used.
 */
export async function openCluster(name: string, { policy }: ActionContext): Promise<Cluster> {
  const known = declared(policy.kubernetes?.clusters, name);
  if (known === undefined) throw new Error(`${name} is not declared on this host`);
  // Loaded when first needed, and only this part of it: most hosts never do.
  const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
  const config = new KubeConfig();
  config.loadFromFile(known.kubeconfig);
  if (known.context !== undefined) config.setCurrentContext(known.context);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error(`${known.kubeconfig}: the context names no cluster`);
  const base = server.replace(/\/+$/, "");

  const ask = async (
    method: string,
    path: string,
    body?: Json,
    type = "application/json",
  ): Promise<string> => {
    const url = new URL(base + path);
    const login: RequestOptions = {};
    await config.applyToHTTPSOptions(login);
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = {
      ...login.headers,
      accept: "application/json",
      "user-agent": "mainstay-agent",
      ...(body === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) }),
    };
    return new Promise((resolve, reject) => {
      const options = { ...login, method, headers, timeout: answerMs };
      const request = send(url, options, (response) => {
        const pieces: Buffer[] = [];
        let bytes = 0;
        response.on("data", (piece: Buffer) => {
          bytes += piece.length;
          if (bytes > answerBytesMax) request.destroy(new Error("the API server's answer has no end"));
          else pieces.push(piece);
        });
        response.on("error", reject);
        response.on("end", () => {
          const answer = Buffer.concat(pieces).toString("utf8");
          const { statusCode = 0 } = response;
          if (statusCode >= 200 && statusCode < 300) resolve(answer);
          else
            reject(new ClusterRefusal(statusCode, `${method} ${path}: ${statusCode} ${messageOf(answer)}`));
        });
      });
      request.on("timeout", () => request.destroy(new Error(`${url.host}: no answer within ${answerMs} ms`)));
      request.on("error", reject);
      request.end(text);
    });
  };
  const get = async <T>(path: string): Promise<T> => JSON.parse(await ask("GET", path)) as T;
  return {
    get,
    find: async <T>(path: string) => {
      try {
        return await get<T>(path);
      } catch (error) {
        if (error instanceof ClusterRefusal && error.code === 404) return undefined;
        throw error;
      }
    },
    patch: async <T>(path: string, kind: PatchKind, body: Json) =>
      JSON.parse(await ask("PATCH", path, body, contentTypes[kind])) as T,
    post: async (path, body) => {
      await ask("POST", path, body);
    },
  };
}

/** A Status object's message; else the answer's beginning. */
function messageOf(answer: string): string {
  try {
    const { message } = Object(JSON.parse(answer)) as { readonly message?: unknown };
    if (typeof message === "string") return message.slice(0, 300);
  } catch {
    // Not JSON: a proxy's page.
  }
  return answer.replace(/\s+/g, " ").slice(0, 100);
}
