/** The agent's own health and figures over plain HTTP on loopback. Without the token nothing internal is told. */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Address } from "./config.js";
import { readIfThere, writePrivateFile } from "./identity/state-files.js";

/** How one part is doing. */
export interface PartHealth {
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly because: string;
}

/** One figure of the agent of itself. */
export interface Figure {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What the probes ask. */
export interface ProbeSubject {
  readonly version: string;
  /** Ms since the agent began. */
  uptimeMs(): number;
  parts(): Readonly<Record<string, PartHealth>>;
  figures(): Iterable<Figure>;
  /** How late the event loop's last turn was, in ms. */
  loopLagMs(): number;
  now(): number;
}

const severity = { healthy: 0, degraded: 1, unhealthy: 2 } as const;
/** A loop that is late by this much answers nobody in time. */
const loopLagMaxMs = 5_000;

/** Reads the token that opens the inner probes; makes one at the first start. */
export function probeToken(path: string, make: () => string): string {
  const stored = readIfThere(path)?.trim();
  if (stored !== undefined && stored !== "") return stored;
  const token = make();
  writePrivateFile(path, `${token}\n`);
  return token;
}

/** The worst of all. */
export function worstOf(parts: Readonly<Record<string, PartHealth>>): PartHealth["status"] {
  return Object.values(parts).reduce<PartHealth["status"]>(
    (worst, { status }) => (severity[status] > severity[worst] ? status : worst),
    "healthy",
  );
}

/** Serves the probes. Rejects when the address cannot be listened on. */
export function serveProbes(at: Address, token: string, subject: ProbeSubject): Promise<Server> {
  const server = createServer(
    { requestTimeout: 5_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
    (request, response) => answer(request, response, token, subject),
  );
  server.maxConnections = 64;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(at.port, at.host, () => resolve(server));
  });
}

interface Page {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object becomes JSON; a text is Prometheus' format. */
  readonly body: object | string;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  subject: ProbeSubject,
): void {
  request.resume();
  const { status, headers, body } = pageFor(request, token, subject);
  const isText = typeof body === "string";
  response.writeHead(status, {
    "content-type": isText ? "text/plain; version=0.0.4; charset=utf-8" : "application/json; charset=utf-8",
    "cache-control": "no-store",
    ...headers,
  });
  response.end(isText ? body : `${JSON.stringify(body)}\n`);
}

function pageFor(request: IncomingMessage, token: string, subject: ProbeSubject): Page {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { status: 405, headers: { allow: "GET, HEAD" }, body: { error: "only GET is answered here" } };
  }
  switch ((request.url ?? "/").split("?", 1)[0]) {
    case "/health":
      return { status: 200, body: overview(subject, worstOf(subject.parts())) };
    case "/health/live": {
      const isLate = subject.loopLagMs() > loopLagMaxMs;
      return { status: isLate ? 503 : 200, body: { status: isLate ? "unhealthy" : "healthy" } };
    }
    case "/health/ready": {
      const status = worstOf(subject.parts());
      return { status: status === "unhealthy" ? 503 : 200, body: { status } };
    }
    case "/health/detailed": {
      if (!isAllowed(request, token)) return refusal;
      const components = subject.parts();
      const status = worstOf(components);
      return {
        status: status === "unhealthy" ? 503 : 200,
        body: { ...overview(subject, status), components },
      };
    }
    case "/metrics":
      return isAllowed(request, token) ? { status: 200, body: exposition(subject.figures()) } : refusal;
    default:
      return { status: 404, body: { error: "no such page" } };
  }
}

const refusal: Page = {
  status: 401,
  headers: { "www-authenticate": "Bearer" },
  body: { error: "this page needs the token of this agent's state directory" },
};

function overview(subject: ProbeSubject, status: PartHealth["status"]): object {
  const timestamp = new Date(subject.now()).toISOString();
  return { status, timestamp, version: subject.version, uptime: subject.uptimeMs() / 1000 };
}

/** Figures in Prometheus' text format, those of one name together. */
export function exposition(figures: Iterable<Figure>): string {
  const byName = new Map<string, { readonly head: string; readonly lines: string[] }>();
  for (const { name, help, type, labels, value } of figures) {
    const group = byName.get(name) ?? { head: `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`, lines: [] };
    byName.set(name, group);
    const pairs = Object.entries(labels ?? {}).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
    group.lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`);
  }
  return [...byName.values()].map(({ head, lines }) => head + lines.join("")).join("");
}

function isAllowed(request: IncomingMessage, token: string): boolean {
  const given = /^Bearer (\S{1,256})$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
  // Hashes have one length, so the time it takes tells nothing.
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
