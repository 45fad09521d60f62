/** A text as one message of JSON-RPC 2.0, for transports that carry texts. */
import { type JSONRPCMessage, parseJSONRPCMessage } from "@modelcontextprotocol/server";

export type ReadMessage =
  | { readonly kind: "message"; readonly message: JSONRPCMessage }
  /** Not one; `answer` tells whoever sent it so. */
  | { readonly kind: "refused"; readonly answer: Refused };

/** An error for a message whose id is not known. */
export interface Refused {
  readonly jsonrpc: "2.0";
  readonly id: null;
  readonly error: { readonly code: number; readonly message: string };
}

export function readMessage(text: string): ReadMessage {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refusedAs(-32_700, "Parse error: the message is not JSON");
  }
  if (isPlainRequest(json)) return { kind: "message", message: json };
  try {
    return { kind: "message", message: parseJSONRPCMessage(json) };
  } catch {
    return invalid("not one message of JSON-RPC 2.0");
  }
}

/** @param because after "Invalid Request: " */
export function invalid(because: string): ReadMessage & { readonly kind: "refused" } {
  return refusedAs(-32_600, `Invalid Request: ${because}`);
}

function refusedAs(code: number, message: string): ReadMessage & { readonly kind: "refused" } {
  return { kind: "refused", answer: { jsonrpc: "2.0", id: null, error: { code, message } } };
}

const MEMBERS: ReadonlySet<string> = new Set(["jsonrpc", "id", "method", "params"]);

/**
 * Whether it certainly is a request, as nearly every message is: what the SDK's schema would find too, at a tenth of its
 * cost. Everything else is left to the schema.
 */
function isPlainRequest(value: unknown): value is JSONRPCMessage {
  if (!isRecord(value)) return false;
  for (const member in value) if (!MEMBERS.has(member)) return false;
  const { jsonrpc, id, method, params } = value;
  if (jsonrpc !== "2.0" || typeof method !== "string" || !isId(id)) return false;
  if (params === undefined) return true;
  if (!isRecord(params)) return false;
  const meta = params["_meta"];
  if (meta === undefined) return true;
  return isRecord(meta) && (meta["progressToken"] === undefined || isId(meta["progressToken"]));
}

function isId(value: unknown): boolean {
  return typeof value === "string" || Number.isSafeInteger(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
