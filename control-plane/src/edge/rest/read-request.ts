/**
 * From what HTTP brings (path fields, query, body) to a request message. Names are ProtoJSON's or the contract's own;
 * nested fields are reached by dots: `page.size=10`.
 */
import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { OpsError } from "../../kernel/errors.js";
import type { HttpRule } from "./http-rule.js";

/** As a query parser gives it: a name given twice is an array. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Throws INVALID_ARGUMENT that names the field and what was expected. */
export function readRequest(
  rule: HttpRule,
  fields: Readonly<Record<string, string>>,
  query: Query,
  body: unknown,
): Message {
  const { input } = rule.method;
  const json: JsonObject = rule.body ? readBody(rule, body) : {};
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) place(rule, json, input, name, typeof value === "string" ? [value] : value);
  }
  for (const [name, value] of Object.entries(fields)) {
    const field = fieldNamed(input, name);
    if (field === undefined)
      throw new OpsError("INTERNAL", `${rule.template}: the request has no field ${name}`);
    // What stands in the path wins over the same field in the body, by whichever of its two names.
    delete json[field.name];
    json[field.jsonName] = value;
  }
  try {
    return fromJson(input, json);
  } catch (error) {
    throw invalid(rule, error instanceof Error ? error.message : String(error));
  }
}

function readBody(rule: HttpRule, body: unknown): JsonObject {
  if (body === undefined || body === null || body === "") return {};
  if (typeof body === "object" && !Array.isArray(body)) return { ...(body as JsonObject) };
  throw invalid(
    rule,
    `the body is ${Array.isArray(body) ? "an array" : `a ${typeof body}`}, expected a JSON object`,
  );
}

function place(
  rule: HttpRule,
  json: JsonObject,
  message: DescMessage,
  path: string,
  values: readonly string[],
): void {
  const dot = path.indexOf(".");
  const name = dot < 0 ? path : path.slice(0, dot);
  const field = fieldNamed(message, name);
  if (field === undefined) {
    const known = message.fields.map((f) => f.jsonName).join(", ");
    throw invalid(
      rule,
      `unknown parameter "${path.slice(0, 100)}", expected ${known === "" ? "none" : known}`,
    );
  }
  if (dot >= 0) {
    if (field.fieldKind !== "message") throw invalid(rule, `parameter "${name}" has no fields of its own`);
    const inner = json[field.jsonName];
    const nested: JsonObject = isObject(inner) ? inner : {};
    json[field.jsonName] = nested;
    place(rule, nested, field.message, path.slice(dot + 1), values);
    return;
  }
  if (field.fieldKind === "list") {
    json[field.jsonName] = values.map((value) => queryValue(field, value));
    return;
  }
  if (values.length !== 1)
    throw invalid(rule, `parameter "${name}" is given ${values.length} times, expected once`);
  json[field.jsonName] = queryValue(field, values[0] as string);
}

/** ProtoJSON takes numbers as texts, but neither booleans nor the numbers of enums. */
function queryValue(field: DescField, value: string): JsonValue {
  if (field.scalar === ScalarType.BOOL && (value === "true" || value === "false")) return value === "true";
  if (field.enum !== undefined && /^\d{1,9}$/.test(value)) return Number(value);
  return value;
}

function fieldNamed(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.jsonName === name || field.name === name);
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function invalid(rule: HttpRule, what: string): OpsError {
  return new OpsError("INVALID_ARGUMENT", `${rule.verb} ${rule.template}: ${what}`);
}
