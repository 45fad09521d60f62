/** A whole server over HTTP on a free port, against the fake control plane, and clients of the official SDK. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { connectControlPlane } from "../control-plane/client.js";
import { createLogger } from "../logger.js";
import { type HttpParts, type RunningServer, startHttp } from "../serve-http.js";
import { system } from "../system.js";
import { type Offer, READ_ONLY, TOOLSETS } from "../tools/offer.js";
import { FakeControlPlane } from "./fake-control-plane.js";

export const ERAS = ["2025-11-25", "2026-07-28"] as const;
export type Era = (typeof ERAS)[number];

export interface House {
  readonly fake: FakeControlPlane;
  readonly server: RunningServer;
  readonly url: string;
  /** Log lines, parsed. */
  readonly lines: Record<string, unknown>[];
  connect(token?: string, era?: Era, headers?: Record<string, string>): Promise<Client>;
  /** A bare request to a path, with the viewer's token unless the headers say otherwise. */
  http(path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** All tools, those that ask for changes too. */
const EVERYTHING: Offer = { ...READ_ONLY, writes: true, toolsets: TOOLSETS };

const UNLIMITED: HttpParts["limits"] = { costPerMinute: 1e8, atOnce: 64 };

export async function openHouse(
  overrides: Partial<HttpParts["config"]> = {},
  timeoutMs = 2_000,
  offer: Offer = EVERYTHING,
  { limits = UNLIMITED, oauth, telemetry }: Partial<Pick<HttpParts, "limits" | "oauth" | "telemetry">> = {},
): Promise<House> {
  const fake = new FakeControlPlane();
  await fake.start();
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger(system.clock, (line) => lines.push(JSON.parse(line)), "debug");
  const controlPlane = connectControlPlane({ address: fake.address, security: "plaintext", timeoutMs });
  const server = await startHttp({
    config: {
      host: "127.0.0.1",
      port: 0,
      allowedHosts: ["mcp.example.org"],
      allowedOrigins: ["https://ops.example.org"],
      bodyBytesMax: 64 * 1024,
      webSocket: { heartbeatMs: 30_000, timeoutMs: 60_000 },
      ...overrides,
    },
    limits,
    ...(oauth === undefined ? {} : { oauth }),
    ...(telemetry === undefined ? {} : { telemetry }),
    offer,
    tls: undefined,
    controlPlane,
    logger,
    system,
    version: "0.0.0-test",
    processMetrics: false,
  });
  const url = `http://127.0.0.1:${server.port}`;
  const clients: Client[] = [];
  return {
    fake,
    server,
    url,
    lines,
    async connect(token = "operator-token", era = "2026-07-28", headers = {}) {
      const modern = era === "2026-07-28";
      const client = new Client(
        { name: "test", version: "1" },
        modern ? { versionNegotiation: { mode: { pin: era } } } : {},
      );
      const requestInit = { headers: { ...headers, authorization: `Bearer ${token}` } };
      await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit }));
      clients.push(client);
      return client;
    },
    http: (path, init = {}) =>
      fetch(`${url}${path}`, {
        ...init,
        headers: { authorization: "Bearer viewer-token", ...Object.fromEntries(new Headers(init.headers)) },
      }),
    async close() {
      for (const client of clients) await client.close();
      await server.stop();
      controlPlane.close();
      fake.stop();
    },
  };
}

/** The text of a tool's result. */
export function textOf(result: { readonly content?: readonly unknown[] }): string {
  const [first] = result.content ?? [];
  return typeof first === "object" && first !== null && "text" in first ? String(first.text) : "";
}
