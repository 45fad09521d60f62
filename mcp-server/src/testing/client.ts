/** A client of the official SDK at the server's endpoint. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Era } from "./house.js";

export interface ClientOptions {
  readonly token: string;
  readonly era: Era;
  /** Whether a person sits at it, who can be asked. */
  readonly elicitation?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @param url the server's, without a path */
export async function connectClient(url: string, options: ClientOptions): Promise<Client> {
  const { token, era, elicitation = false, headers = {} } = options;
  const client = new Client(
    { name: "test", version: "1" },
    {
      ...(elicitation ? { capabilities: { elicitation: { form: {} } } } : {}),
      ...(era === "2026-07-28" ? { versionNegotiation: { mode: { pin: era } } } : {}),
    },
  );
  const requestInit = { headers: { ...headers, authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit }));
  return client;
}
