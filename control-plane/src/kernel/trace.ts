/**
 * W3C trace context (https://www.w3.org/TR/trace-context/), as far as it is carried from a caller to an agent.
 */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a `traceparent` header; undefined when it is not one, for then a new trace begins. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const match = text === undefined ? null : FORM.exec(text);
  if (match === null) return undefined;
  const [, version, traceId, spanId, flags, rest] = match as (string | undefined)[] as [
    string,
    string,
    string,
    string,
    string,
    string | undefined,
  ];
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Writes the header. */
export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? "01" : "00"}`;
}

/** A span below `parent`, or the first span of a new trace; `hex(n)` draws n random hex digits. */
export function childSpan(parent: TraceContext | undefined, hex: (digits: number) => string): TraceContext {
  return { traceId: parent?.traceId ?? hex(32), spanId: hex(16), sampled: parent?.sampled ?? true };
}
