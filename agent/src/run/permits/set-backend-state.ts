/** Whether this host lets servers behind HAProxy be taken out and put back, and which. Pure. */
import type { Fields } from "../../fields.js";
import { backendStates } from "../command.js";
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

/** Load balancers whose servers may be set. */
export interface SetBackendStatePolicy {
  readonly proxies: readonly DeclaredProxy[];
}

/** A HAProxy with its runtime socket. */
export interface DeclaredProxy {
  readonly name: string;
  /** The `stats socket` of level admin; absolute. */
  readonly socket: string;
  readonly backends: readonly string[];
  /** How many servers of a backend must be left to take requests. Default 1. */
  readonly minReady: number;
}

/** Names as HAProxy takes them; without what its command line could read as more than a name. */
const proxyName = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;

export function readSetBackendState(fields: Fields): SetBackendStatePolicy {
  const proxies = fields.each("proxies").map((proxy): DeclaredProxy => {
    const read = {
      name: required(proxy, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      socket: required(proxy, "socket", "an absolute path", absolutePath),
      backends: proxy.texts("backends", "a backend's name", proxyName),
      minReady: proxy.integer("minReady", 1, 0, 1000),
    };
    proxy.done();
    return read;
  });
  fields.done();
  return { proxies };
}

export function allowSetBackendState(own: SetBackendStatePolicy | undefined, fields: Fields): Verdict {
  const proxy = requiredName(fields, "proxy", "load balancer");
  const backend = required(fields, "backend", "a backend's name", proxyName);
  const server = required(fields, "server", "a server's name", proxyName);
  const state = oneOf(fields, "state", backendStates);
  const waitSeconds = fields.integer("waitSeconds", 30, 0, 3600);
  if (own === undefined) return deny("actions.setBackendState is not set on this host");
  const known = declared(own.proxies, proxy);
  if (known === undefined) return deny(`${proxy} is not in actions.setBackendState.proxies`);
  if (!known.backends.includes(backend))
    return deny(`${backend} is not in the backends of ${proxy} in actions.setBackendState`);
  return {
    kind: "allow",
    arguments: { action: "set-backend-state", proxy, backend, server, state, waitSeconds },
  };
}
