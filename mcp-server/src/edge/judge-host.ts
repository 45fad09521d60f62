/**
 * Whether a request was meant for this server. A page in a browser can make its visitor's browser call a server on the
 * loopback (DNS rebinding); such a call gives itself away by its Host or its Origin.
 */

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]", "::1"]);

/** Whether an address to listen on, or to call, never leaves the machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_NAMES.has(host) || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** `host:port` or `[v6]:port` in its parts; the host keeps its brackets. Undefined when it is neither. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(address);
  const [, host, port] = match ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535 || Number(port) === 0)
    return undefined;
  return { host: host.toLowerCase(), port: Number(port) };
}

/** Which names and origins are taken, besides those of the loopback. */
export interface Admitted {
  /** Lower-case, without port; an IPv6 address in brackets. */
  readonly hosts: readonly string[];
  /** Lower-case, as a browser sends them. */
  readonly origins: readonly string[];
}

export type HostVerdict = { readonly kind: "admit" } | { readonly kind: "refuse"; readonly because: string };

const LENGTH_MAX = 300;

/**
 * Judges the `Host` and `Origin` headers. Host must be there and name the loopback or an admitted host, at any port.
 * Origin may be absent (clients that are not browsers send none); when it is there it must be admitted or on the loopback.
 */
export function judgeHost(
  host: string | undefined,
  origin: string | undefined,
  admitted: Admitted,
): HostVerdict {
  const name = host === undefined || host.length > LENGTH_MAX ? undefined : hostnameOf(host);
  if (name === undefined) return { kind: "refuse", because: "the Host header is missing or not a host" };
  if (!LOOPBACK_NAMES.has(name) && !admitted.hosts.includes(name)) {
    return { kind: "refuse", because: "the Host header names another host than this server is known by" };
  }
  if (origin === undefined) return { kind: "admit" };
  if (origin.length <= LENGTH_MAX && admitted.origins.includes(origin.toLowerCase()))
    return { kind: "admit" };
  const from = origin.length > LENGTH_MAX ? undefined : originHostname(origin);
  if (from !== undefined && LOOPBACK_NAMES.has(from)) return { kind: "admit" };
  return { kind: "refuse", because: "the Origin header names an origin that may not call this server" };
}

function hostnameOf(host: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.exec(host);
  return match?.[1]?.toLowerCase();
}

function originHostname(origin: string): string | undefined {
  const match = /^https?:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.exec(origin);
  return match?.[1]?.toLowerCase();
}
