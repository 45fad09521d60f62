/** W3C trace context (https://www.w3.org/TR/trace-context/): taken from the caller, handed on to the control plane. */
export interface Span {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const FORM = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a `traceparent`; undefined when it is not one, for then a new trace begins. */
export function parseTraceparent(value: unknown): Span | undefined {
  const match = typeof value === "string" && value.length <= 512 ? FORM.exec(value) : null;
  if (match === null) return undefined;
  const [, version, traceId, spanId, flags, rest] = match;
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Version 00 has exactly four parts; later versions may have more, which are not read.
  if (version === "00" && rest !== undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent(span: Span): string {
  return `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`;
}

/** A span below the first of `parents` that there is, else the first span of a new trace, sampled. */
export function spanBelow(hex: (digits: number) => string, ...parents: readonly (Span | undefined)[]): Span {
  const parent = parents.find((candidate) => candidate !== undefined);
  return { traceId: parent?.traceId ?? hex(32), spanId: hex(16), sampled: parent?.sampled ?? true };
}
