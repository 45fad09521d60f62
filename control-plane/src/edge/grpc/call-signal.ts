/** A gRPC call's end as an AbortSignal, and writing to it no faster than the client reads. */
import { once } from "node:events";
import type { Metadata } from "@grpc/grpc-js";

/** The part of a server call that all kinds share. */
export interface AnyCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  on(event: "cancelled", heard: () => void): unknown;
}

/** Aborts when the client cancels, its deadline passes or its connection breaks. */
export function cancellationOf(call: AnyCall): AbortSignal {
  const controller = new AbortController();
  if (call.cancelled) controller.abort();
  call.on("cancelled", () => controller.abort());
  return controller.signal;
}

export interface WritableCall<T> {
  write(message: T): boolean;
  on(event: "drain", heard: () => void): unknown;
}

/**
 * Writes what `messages` gives, taking the next one only when the client has read enough of those before.
 * Ends early, and lets the source clean up, when `signal` aborts.
 */
export async function writeAll<T>(
  call: WritableCall<T> & NodeJS.EventEmitter,
  messages: AsyncIterable<T>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted) return;
    if (!call.write(message)) await once(call, "drain", { signal }).catch(() => {});
    if (signal.aborted) return;
  }
}

/** The first value of a metadata key, when it is a text. */
export function textOf(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return typeof value === "string" ? value : undefined;
}
