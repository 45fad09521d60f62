/**
 * A tool's shapes as JSON Schema, with as few words as say the same: every definition is read by a model, and paid for,
 * at the beginning of every conversation.
 */
import { z } from "zod";

const BRIEF = "brief";

/** A part of an answer whose members another tool's definition names already: here it is published without them. */
export function briefly<T extends z.ZodType>(schema: T): T {
  return schema.meta({ [BRIEF]: true });
}

/** An object's schema, as the protocol wants it for both sides of a tool. */
export type ObjectSchema = Record<string, unknown> & { type: "object" };

/** What the tool takes. Members it does not know are refused, and the schema says so. Throws TypeError for a shape that is no object. */
export function inputJson(schema: z.ZodType): ObjectSchema {
  return objectSchema(slim(z.toJSONSchema(schema, { io: "input" }), "input"));
}

/**
 * What the tool answers. It may answer more one day, so the schema does not forbid it; and of what stands inside rows it
 * says the names, and types only where they are not texts. Throws TypeError for a shape that is no object.
 */
export function outputJson(schema: z.ZodType): ObjectSchema {
  const { properties, ...json } = objectSchema(slim(z.toJSONSchema(schema, { io: "output" }), "output"));
  const members = isObject(properties) ? Object.entries(properties) : [];
  return { ...json, properties: Object.fromEntries(members.map(([name, member]) => [name, named(member)])) };
}

/** A member of an answer, with what lies within it by name. */
function named(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(named);
  if (!isObject(json)) return json;
  if (json[BRIEF] === true) return { type: "object" };
  const kept = Object.entries(json).filter(([word]) => word !== "required");
  return Object.fromEntries(
    kept.map(([word, value]) => [
      word,
      word === "properties" && isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, untexted(named(inner))]))
        : named(value),
    ]),
  );
}

function untexted(json: unknown): unknown {
  return isObject(json) && json["type"] === "string" && Object.keys(json).length === 1 ? {} : json;
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
