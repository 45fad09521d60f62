/** Spans and durations of calls, for whoever collects them. Without a collector there are only their ids. */
import type { ErrorCode } from "./errors.js";
import type { System } from "./system.js";
import { type Span, spanBelow } from "./trace.js";

/** What is called, in the words of OpenTelemetry's conventions for MCP. */
export interface Operation {
  /** `tools/call`, `resources/read` and the like. */
  readonly method: string;
  /** The tool's, resource's or prompt's name. */
  readonly target: string;
  readonly transport: "http" | "websocket" | "stdio";
  readonly protocolVersion: string | undefined;
}

export interface RunningOperation {
  readonly span: Span;
  /** @param failure the code it failed with */
  end(failure: ErrorCode | undefined): void;
}

export interface Telemetry {
  /** Begins a span below the first of `parents` that there is. */
  begin(operation: Operation, ...parents: readonly (Span | undefined)[]): RunningOperation;
  /** Sends what is still to be sent, within a bound. */
  stop(): Promise<void>;
}

export function onlyIds({ hex }: Pick<System, "hex">): Telemetry {
  return {
    begin: (_operation, ...parents) => ({ span: spanBelow(hex, ...parents), end: () => {} }),
    stop: async () => {},
  };
}
