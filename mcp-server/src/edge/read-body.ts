/** A request's body, read whole and never more than was allowed. */
import type { IncomingMessage } from "node:http";

export type Body =
  | { readonly kind: "body"; readonly bytes: number; readonly json: unknown }
  | { readonly kind: "too-large" }
  | { readonly kind: "not-json"; readonly bytes: number }
  /** The client went away before it had sent it all. */
  | { readonly kind: "cut" };

/** Reads and parses the body. A declared length over `maxBytes` is refused before a byte is read. Never throws. */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<Body> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return { kind: "too-large" };
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    // Without destroyOnReturn: leaving early must not tear down the socket the refusal goes out on.
    for await (const piece of request.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(piece)) return { kind: "cut" };
      bytes += piece.length;
      if (bytes > maxBytes) return { kind: "too-large" };
      pieces.push(piece);
    }
  } catch {
    return { kind: "cut" };
  }
  if (!request.complete) return { kind: "cut" };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces, bytes));
    return { kind: "body", bytes, json: JSON.parse(text) };
  } catch {
    return { kind: "not-json", bytes };
  }
}
