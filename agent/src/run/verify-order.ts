/** Reads a signed order: nothing in it counts before its signature was found good under a pinned key. */
import { createPublicKey, verify } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type Order,
  OrderMode,
  OrderSchema,
  type SignedOrder,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { PinnedKey } from "../identity/identity.js";
import type { VerifiedOrder } from "./command.js";

/** What came of it. For a bad one `commandId` and `mode` are only what it claims to be, for the answer. */
export type Read =
  | { readonly kind: "verified"; readonly order: VerifiedOrder }
  | {
      readonly kind: "bad";
      readonly because: "unknown-key" | "bad-signature" | "malformed";
      readonly detail: string;
      readonly claimed: { readonly commandId: string; readonly mode: "preview" | "run" } | undefined;
    };

/** Orders are small; a larger one is not looked at. */
const orderBytesMax = 256 * 1024;
const timeoutDefaultMs = 5 * 60_000;
const timeoutMaxMs = 24 * 3_600_000;
const outputDefaultBytes = 256 * 1024;
const outputMaxBytes = 1024 * 1024;

/** Verifies and reads an order. Never throws. */
export function readOrder(signed: SignedOrder, keys: readonly PinnedKey[]): Read {
  const { order: bytes, keyId, signature } = signed;
  if (bytes.length > orderBytesMax) {
    return bad(
      "malformed",
      `the order has ${bytes.length} bytes, at most ${orderBytesMax} are read`,
      undefined,
    );
  }
  const order = decode(bytes);
  const key = keys.find((pinned) => pinned.keyId === keyId);
  if (key === undefined) {
    return bad(
      "unknown-key",
      `order key ${JSON.stringify(keyId.slice(0, 64))} is not one that this agent has pinned`,
      order,
    );
  }
  if (!isSignedBy(key, bytes, signature)) {
    return bad("bad-signature", `the signature is not one of order key ${keyId} over these bytes`, order);
  }
  if (order === undefined) return bad("malformed", "the signed bytes are not an order", undefined);
  const mode = modeOf(order);
  if (mode === undefined || !/^[A-Za-z0-9._:-]{1,128}$/.test(order.commandId)) {
    return bad("malformed", "an order needs a command id of 1 to 128 plain characters and a mode", order);
  }
  if (order.expiresAt === undefined)
    return bad("malformed", "an order needs a time at which it expires", order);
  return {
    kind: "verified",
    order: {
      commandId: order.commandId,
      nodeId: order.nodeId,
      action: order.action,
      argumentsJson: order.argumentsJson,
      mode,
      generation: order.generation,
      planHash: order.planHash,
      issuedAt: toMs(order.issuedAt),
      expiresAt: toMs(order.expiresAt),
      timeoutMs: Math.min(timeoutMaxMs, order.timeoutMs || timeoutDefaultMs),
      outputBytesMax: Math.min(outputMaxBytes, Number(order.outputBytesMax) || outputDefaultBytes),
      traceparent: order.traceparent.slice(0, 55),
    },
  };
}

function isSignedBy(key: PinnedKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const spki = createPublicKey({ key: Buffer.from(key.spki, "base64"), format: "der", type: "spki" });
    return spki.asymmetricKeyType === "ed25519" && verify(null, bytes, spki, signature);
  } catch {
    return false;
  }
}

function decode(bytes: Uint8Array): Order | undefined {
  try {
    return fromBinary(OrderSchema, bytes);
  } catch {
    return undefined;
  }
}

function modeOf(order: Order): "preview" | "run" | undefined {
  if (order.mode === OrderMode.PREVIEW) return "preview";
  return order.mode === OrderMode.RUN ? "run" : undefined;
}

function toMs(at: { readonly seconds: bigint; readonly nanos: number } | undefined): number {
  return at === undefined ? 0 : Number(at.seconds) * 1000 + Math.floor(at.nanos / 1e6);
}

function bad(
  because: "unknown-key" | "bad-signature" | "malformed",
  detail: string,
  order: Order | undefined,
): Read {
  const mode = order === undefined ? undefined : modeOf(order);
  const claimed =
    order === undefined || mode === undefined
      ? undefined
      : { commandId: order.commandId.slice(0, 128), mode };
  return { kind: "bad", because, detail, claimed };
}
