/**
 * A tool's shapes as JSON Schema, with as few words as say the same: every definition is read by a model, and paid for,
 * at the beginning of every conversation.
 */
import { z } from "zod";

/** An object's schema, as the protocol wants it for both sides of a tool. */
export type ObjectSchema = Record<string, unknown> & { type: "object" };

/** What the tool takes. Members it does not know are refused, and the schema says so. Throws TypeError for a shape that is no object. */
export function inputJson(schema: z.ZodType): ObjectSchema {
  return objectSchema(slim(z.toJSONSchema(schema, { io: "input" }), "input"));
}

/** What the tool answers. It may answer more one day, so the schema does not forbid it. Throws TypeError for a shape that is no object. */
export function outputJson(schema: z.ZodType): ObjectSchema {
  return objectSchema(slim(z.toJSONSchema(schema, { io: "output" }), "output"));
}

function objectSchema(json: unknown): ObjectSchema {
  if (!isObject(json) || json["type"] !== "object") {
    throw new TypeError(`a tool's schema is ${JSON.stringify(json)?.slice(0, 80)}: expected an object's`);
  }
  return { ...json, type: "object" };
}

/** Without the dialect (2020-12 is the protocol's own), without what names of members are (texts, in JSON). */
function slim(json: unknown, side: "input" | "output"): unknown {
  if (Array.isArray(json)) return json.map((item) => slim(item, side));
  if (!isObject(json)) return json;
  const kept = Object.entries(json).filter(
    ([word, value]) =>
      word !== "$schema" &&
      word !== "propertyNames" &&
      !(side === "output" && word === "additionalProperties" && value === false),
  );
  return Object.fromEntries(
    kept.map(([word, value]) => [
      word,
      // Names of members may look like words of the schema.
      word === "properties" && isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, slim(member, side)]))
        : slim(value, side),
    ]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
