import type { Caller } from "../kernel/caller.js";
import type { TraceContext } from "../kernel/trace.js";

/** What every operator method is told besides its request. */
export interface CallContext {
  readonly caller: Caller;
  /** The span of this call. */
  readonly trace: TraceContext;
  /** Aborts when the caller goes away or the deadline passes. */
  readonly signal: AbortSignal;
}
