/** One caller's line to one service of the control plane: every call on it carries that caller's token and trace. */
import type { DescService } from "@bufbuild/protobuf";
import type { CallOptions, GrpcClient } from "@mainstay/proto/client";
import { OpsError } from "../errors.js";
import { answered } from "./errors.js";

/** On whose behalf calls are made. */
export interface Speaker {
  /** A token of the control plane's own, or what stands for one that `exchange` gives. */
  readonly token: string;
  /** @default tokens are shown as they are */
  readonly exchange?: Exchange;
  /** W3C traceparent of the span that calls. */
  readonly traceparent: string;
  /** Aborts when the caller goes away. */
  readonly signal?: AbortSignal;
}

/** Puts in place of a principal's name within this server the credential that the control plane takes. */
export interface Exchange {
  /** Throws OpsError. */
  resolve(token: string): Promise<string>;
  /** Told when the control plane did not take what was resolved. */
  refused(token: string): void;
}

export interface Line<S extends DescService> {
  /**
   * Makes one call. Throws OpsError.
   * @param timeoutMs instead of the configured one
   */
  ask<T>(call: (to: GrpcClient<S>, how: CallOptions) => Promise<T>, timeoutMs?: number): Promise<T>;
  /** Reads a stream, at the pace of its reader and without a deadline, until it ends or the speaker's signal aborts. Throws OpsError. */
  read<T>(call: (to: GrpcClient<S>, how: CallOptions) => AsyncIterable<T>): AsyncIterable<T>;
}

export function openLine<S extends DescService>(
  client: GrpcClient<S>,
  address: string,
  speaker: Speaker,
  timeoutMs: number,
): Line<S> {
  const { signal, exchange, token, traceparent } = speaker;
  const shown = async (): Promise<Readonly<Record<string, string>>> => ({
    authorization: `Bearer ${exchange === undefined ? token : await exchange.resolve(token)}`,
    traceparent,
  });
  const heard = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await answered(address, call);
    } catch (error) {
      if (error instanceof OpsError && error.code === "UNAUTHENTICATED") exchange?.refused(token);
      throw error;
    }
  };
  return {
    async ask(call, instead) {
      const metadata = await shown();
      const how = { metadata, timeoutMs: instead ?? timeoutMs, ...(signal === undefined ? {} : { signal }) };
      return heard(call(client, how));
    },
    async *read(call) {
      const how = { metadata: await shown(), ...(signal === undefined ? {} : { signal }) };
      const pieces = call(client, how)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await heard(pieces.next());
          if (next.done === true) return;
          yield next.value;
        }
      } finally {
        await pieces.return?.();
      }
    },
  };
}
