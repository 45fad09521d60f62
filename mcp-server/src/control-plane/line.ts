/** One caller's line to one service of the control plane: every call on it carries that caller's token and trace. */
import type { DescService } from "@bufbuild/protobuf";
import type { CallOptions, GrpcClient } from "@mainstay/proto/client";
import { answered } from "./errors.js";

/** On whose behalf calls are made. */
export interface Speaker {
  readonly token: string;
  /** W3C traceparent of the span that calls. */
  readonly traceparent: string;
  /** Aborts when the caller goes away. */
  readonly signal?: AbortSignal;
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
  const metadata = { authorization: `Bearer ${speaker.token}`, traceparent: speaker.traceparent };
  const { signal } = speaker;
  return {
    ask(call, instead) {
      const how = { metadata, timeoutMs: instead ?? timeoutMs, ...(signal === undefined ? {} : { signal }) };
      return answered(address, call(client, how));
    },
    async *read(call) {
      const how = { metadata, ...(signal === undefined ? {} : { signal }) };
      const pieces = call(client, how)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await answered(address, pieces.next());
          if (next.done === true) return;
          yield next.value;
        }
      } finally {
        await pieces.return?.();
      }
    },
  };
}
