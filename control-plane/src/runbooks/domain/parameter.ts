/**
 * What a run is told. A parameter has a type, and its value goes whole into a typed place: an argument of an action, or
 * a literal of a query. It is never pasted into a text that something interprets.
 */
import { z } from "zod";
import { formatDuration, parseDuration } from "../../kernel/time.js";
import { quote } from "../../promql/quote.js";

const PATTERN_LENGTH_MAX = 200;
export const TEXT_LENGTH_MAX = 1_000;
export const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const duration = z.string().refine((text) => parseDuration(text) !== undefined, {
  error: ({ input }) => `"${String(input)}" is not a duration, expected such as 30s, 5m or 1h`,
});
const base = { summary: z.string().min(1).max(300) };

/** Only patterns that match in linear time are worth having: no group is repeated, nothing refers back. */
const pattern = z
  .string()
  .min(1)
  .max(PATTERN_LENGTH_MAX)
  .refine(isPattern, {
    error: ({ input }) => `${JSON.stringify(input)} is not a regular expression without groups`,
  });

function isPattern(text: string): boolean {
  if (/\\[1-9k]|\(/.test(text.replace(/\\[^1-9k]/g, "").replace(/\[[^\]]*\]/g, ""))) return false;
  try {
    new RegExp(text, "u");
    return true;
  } catch {
    return false;
  }
}

export const PARAMETER = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("string"),
    ...base,
    pattern,
    default: z.string().max(TEXT_LENGTH_MAX).optional(),
  }),
  z.strictObject({
    type: z.literal("integer"),
    ...base,
    min: z.int(),
    max: z.int(),
    default: z.int().optional(),
  }),
  z.strictObject({ type: z.literal("boolean"), ...base, default: z.boolean().optional() }),
  z.strictObject({
    type: z.literal("enum"),
    ...base,
    values: z.array(z.string().min(1).max(TEXT_LENGTH_MAX)).min(1).max(100),
    default: z.string().optional(),
  }),
  z.strictObject({ type: z.literal("node"), ...base, default: z.string().optional() }),
  z.strictObject({
    type: z.literal("duration"),
    ...base,
    min: duration.optional(),
    max: duration.optional(),
    default: duration.optional(),
  }),
]);

export type Parameter = z.infer<typeof PARAMETER>;
export type ParameterValue = string | number | boolean;
export type Parameters = Readonly<Record<string, Parameter>>;
export type ParameterValues = Readonly<Record<string, ParameterValue>>;

/** What a parameter allows, in words. */
export function allowedBy(parameter: Parameter): string {
  switch (parameter.type) {
    case "string":
      return `a text that matches ${parameter.pattern}`;
    case "integer":
      return `a whole number from ${parameter.min} to ${parameter.max}`;
    case "boolean":
      return "true or false";
    case "enum":
      return `one of ${parameter.values.join(", ")}`;
    case "node":
      return "a node's name or id";
    case "duration": {
      const { min, max } = parameter;
      const bounds = [min === undefined ? "" : `from ${min}`, max === undefined ? "" : `to ${max}`];
      return ["a duration such as 5m", ...bounds].filter((part) => part !== "").join(" ");
    }
  }
}

/** Whether `value` may be the parameter's. */
export function accepts(parameter: Parameter, value: unknown): value is ParameterValue {
  switch (parameter.type) {
    case "string":
      return (
        typeof value === "string" &&
        value.length <= TEXT_LENGTH_MAX &&
        new RegExp(`^(?:${parameter.pattern})$`, "u").test(value)
      );
    case "integer":
      return Number.isSafeInteger(value) && Number(value) >= parameter.min && Number(value) <= parameter.max;
    case "boolean":
      return typeof value === "boolean";
    case "enum":
      return typeof value === "string" && parameter.values.includes(value);
    case "node":
      return typeof value === "string" && NODE_NAME.test(value);
    case "duration": {
      const length = typeof value === "string" ? parseDuration(value) : undefined;
      const bound = (text: string | undefined, none: number): number =>
        text === undefined ? none : (parseDuration(text) ?? none);
      return (
        length !== undefined &&
        length >= bound(parameter.min, 0) &&
        length <= bound(parameter.max, Number.POSITIVE_INFINITY)
      );
    }
  }
}

/** The values of a run: given, or defaults; or every fault. Texts of flags are read as the type wants them. */
export function bindParameters(
  parameters: Parameters,
  given: Readonly<Record<string, unknown>>,
): { readonly values: ParameterValues } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const values: Record<string, ParameterValue> = {};
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(parameters, name))
      faults.push(
        `there is no parameter "${name}"; there are ${Object.keys(parameters).join(", ") || "none"}`,
      );
  }
  for (const [name, parameter] of Object.entries(parameters)) {
    const value = Object.hasOwn(given, name) ? asType(parameter, given[name]) : parameter.default;
    if (value === undefined) faults.push(`parameter "${name}" is missing, expected ${allowedBy(parameter)}`);
    else if (!accepts(parameter, value))
      faults.push(
        `parameter "${name}" is ${JSON.stringify(value).slice(0, 100)}, expected ${allowedBy(parameter)}`,
      );
    else values[name] = value;
  }
  return faults.length > 0 ? { faults } : { values };
}

/** A command line has only texts. */
function asType({ type }: Parameter, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (type === "integer" && /^-?\d+$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}

/** Comments and strings of PromQL, in which `$` is only a character; and `$name` elsewhere. */
const QUERY_PIECES = /#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`|\$([A-Za-z_]\w*)/g;

/** The names of the parameters a query uses. */
export function parametersOfQuery(query: string): readonly string[] {
  return [...query.matchAll(QUERY_PIECES)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/** The query with each `$name` as a literal: texts quoted, numbers and durations as they are. */
export function fillQuery(query: string, parameters: Parameters, values: ParameterValues): string {
  return query.replace(QUERY_PIECES, (piece, name: string | undefined) => {
    if (name === undefined) return piece;
    const value = values[name];
    if (value === undefined) return piece;
    if (parameters[name]?.type === "duration") return formatDuration(parseDuration(String(value)) ?? 0);
    if (typeof value === "number") return value < 0 ? `(${value})` : `${value}`;
    return typeof value === "boolean" ? (value ? "1" : "0") : quote(value);
  });
}

/** Some value that the parameter's type may have, to see whether a query parses with it. */
export function sampleOf(parameter: Parameter): ParameterValue {
  if (parameter.default !== undefined) return parameter.default;
  switch (parameter.type) {
    case "integer":
      return parameter.min;
    case "boolean":
      return true;
    case "enum":
      return parameter.values[0] ?? "";
    case "duration":
      return parameter.min ?? "5m";
    default:
      return "x";
  }
}
