/** What a Prometheus-compatible server answers, as values of ours. What makes no sense is DATA_LOSS, never a guess. */
import { z } from "zod";
import { type ErrorCode, OpsError } from "../../kernel/errors.js";
import type { Instant } from "../../kernel/time.js";
import type { Value } from "../../promql/value.js";

const POINT = z.tuple([z.number(), z.string()]);
const LABELS = z.record(z.string(), z.string());
const TEXTS = z.array(z.string()).nullish();

const DATA = z.discriminatedUnion("resultType", [
  z.object({ resultType: z.literal("scalar"), result: POINT }),
  z.object({ resultType: z.literal("string"), result: POINT }),
  z.object({
    resultType: z.literal("vector"),
    result: z.array(z.object({ metric: LABELS, value: POINT })),
  }),
  z.object({
    resultType: z.literal("matrix"),
    result: z.array(z.object({ metric: LABELS, values: z.array(POINT) })),
  }),
]);

const ANSWER = z.discriminatedUnion("status", [
  z.object({ status: z.literal("success"), data: z.unknown(), warnings: TEXTS, infos: TEXTS }),
  z.object({ status: z.literal("error"), errorType: z.string().default(""), error: z.string().default("") }),
]);

/** A successful answer's data with what it was warned of. */
export interface PrometheusAnswer {
  readonly data: unknown;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** How Prometheus names what went wrong, and what it is here. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  bad_data: "INVALID_ARGUMENT",
  timeout: "DEADLINE_EXCEEDED",
  canceled: "CANCELLED",
  unavailable: "UNAVAILABLE",
  not_found: "NOT_FOUND",
  internal: "INTERNAL",
};

/** Reads the envelope. Throws what the server said as an OpsError, with the server's own message. */
export function readAnswer(status: number, text: string): PrometheusAnswer {
  let parsed: z.infer<typeof ANSWER>;
  try {
    parsed = ANSWER.parse(JSON.parse(text));
  } catch {
    if (status === 401 || status === 403)
      throw new OpsError("PERMISSION_DENIED", `the engine refuses us: HTTP ${status}`, { status });
    throw new OpsError("UNAVAILABLE", `the engine answered HTTP ${status} and no answer of its API`, {
      status,
    });
  }
  if (parsed.status === "error") throw new OpsError(codeOf(parsed.errorType, parsed.error), parsed.error);
  return { data: parsed.data, warnings: parsed.warnings ?? [], infos: parsed.infos ?? [] };
}

function codeOf(errorType: string, message: string): ErrorCode {
  if (errorType === "execution")
    return /too many samples/.test(message) ? "RESOURCE_EXHAUSTED" : "INVALID_ARGUMENT";
  return CODES[errorType] ?? "UNKNOWN";
}

/** The value of a query. Histogram samples, which nothing here knows, are left out by the shape. */
export function readValue({ data, warnings, infos }: PrometheusAnswer): Value {
  const read = DATA.safeParse(data);
  if (!read.success) {
    const [fault] = read.error.issues;
    const at = `data.${fault?.path.join(".") ?? ""}`;
    throw new OpsError("DATA_LOSS", `the engine's answer cannot be read at ${at}: ${fault?.message ?? ""}`);
  }
  const notes = { warnings, infos };
  switch (read.data.resultType) {
    case "scalar": {
      const [at, value] = read.data.result;
      return { kind: "scalar", timestamp: toInstant(at), value: toNumber(value), ...notes };
    }
    case "string": {
      const [at, value] = read.data.result;
      return { kind: "string", timestamp: toInstant(at), value, ...notes };
    }
    case "vector":
      return {
        kind: "vector",
        samples: read.data.result.map(({ metric, value: [at, value] }) => ({
          labels: metric,
          timestamp: toInstant(at),
          value: toNumber(value),
        })),
        ...notes,
      };
    case "matrix":
      return {
        kind: "matrix",
        series: read.data.result.map(({ metric, values }) => ({
          labels: metric,
          timestamps: Float64Array.from(values, ([at]) => toInstant(at)),
          values: Float64Array.from(values, ([, value]) => toNumber(value)),
        })),
        ...notes,
      };
  }
}

const TEXT_LIST = z.array(z.string());
const LABELS_LIST = z.array(LABELS);

export function readTexts({ data }: PrometheusAnswer): readonly string[] {
  return TEXT_LIST.parse(data);
}

export function readLabelSets({ data }: PrometheusAnswer): readonly Readonly<Record<string, string>>[] {
  return LABELS_LIST.parse(data);
}

const toInstant = (seconds: number): Instant => Math.round(seconds * 1_000);

function toNumber(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  if (text === "NaN") return Number.NaN;
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value))
    throw new OpsError("DATA_LOSS", `the engine's answer holds "${text.slice(0, 40)}", expected a number`);
  return value;
}
