/** What a plan says of itself, out of the JSON that the agent made: hostile until it is read. */

import { canonicalJson, type Json } from "../../kernel/canonical-json.js";
import { cleanText } from "../../kernel/clean-text.js";

/** What undoes a plan once it ran. */
export type Inverse =
  | { readonly kind: "action"; readonly action: string; readonly argumentsJson: string }
  /** `unknown`: the agent does not say. */
  | { readonly kind: "irreversible" | "nothing-to-undo" | "unknown" };

export interface PlanFacts {
  readonly inverse: Inverse;
  /** SHA-256, hex, over the observed state that the plan rests on; empty when it rests on none. */
  readonly observedHash: string;
  /** What will be different afterwards, in a sentence; empty when the agent does not say. */
  readonly effect: string;
}

const ARGUMENTS_MAX = 16_384;
const EFFECT_MAX = 1_000;
const ACTION_FORM = /^[a-z][a-z0-9-]{0,62}$/;
const HASH_FORM = /^[0-9a-f]{64}$/;
const NOTHING_SAID: PlanFacts = { inverse: { kind: "unknown" }, observedHash: "", effect: "" };

export function readPlan(json: string): PlanFacts {
  const plan = asObject(parsed(json));
  if (plan === undefined) return NOTHING_SAID;
  const { stateHash, expectedEffect } = plan;
  return {
    inverse: readInverse(plan["inverse"]),
    observedHash: typeof stateHash === "string" && HASH_FORM.test(stateHash) ? stateHash : "",
    effect: typeof expectedEffect === "string" ? cleanText(expectedEffect, EFFECT_MAX) : "",
  };
}

function readInverse(value: Json | undefined): Inverse {
  if (value === "irreversible" || value === "nothing-to-undo") return { kind: value };
  const said = asObject(value);
  const args = asObject(said?.["arguments"]);
  const action = said?.["action"];
  if (typeof action !== "string" || !ACTION_FORM.test(action) || args === undefined)
    return { kind: "unknown" };
  const argumentsJson = canonicalJson(args);
  return argumentsJson.length > ARGUMENTS_MAX
    ? { kind: "unknown" }
    : { kind: "action", action, argumentsJson };
}

/** Changes that are named one by one; the rest is counted. */
const CHANGES_MAX = 20;
const VALUE_MAX = 120;

/**
 * What is different between two plans of one command, one line each: `path: before -> after`. Of what the plans observed
 * where both name it, else of the whole.
 */
export function planDrift(before: string, after: string): readonly string[] {
  const [was, is] = [asObject(parsed(before)), asObject(parsed(after))];
  const bothObserved = was?.["observed"] !== undefined && is?.["observed"] !== undefined;
  const lines = bothObserved
    ? changesOf("", was?.["observed"], is?.["observed"])
    : changesOf("", was ?? null, is ?? null);
  const more = lines.length - CHANGES_MAX;
  return more > 0 ? [...lines.slice(0, CHANGES_MAX), `and ${more} more`] : lines;
}

function changesOf(path: string, before: Json | undefined, after: Json | undefined): readonly string[] {
  const [a, b] = [asObject(before), asObject(after)];
  if (a !== undefined && b !== undefined) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
    return keys.flatMap((key) => changesOf(path === "" ? key : `${path}.${key}`, own(a, key), own(b, key)));
  }
  const [was, is] = [shown(before), shown(after)];
  if (was === is) return [];
  return [`${cleanText(path, VALUE_MAX)}: ${cleanText(was, VALUE_MAX)} -> ${cleanText(is, VALUE_MAX)}`];
}

const shown = (value: Json | undefined): string => (value === undefined ? "nothing" : canonicalJson(value));

type JsonObject = { readonly [key: string]: Json };

/** Not what an object has by birth: a plan may have any key. */
const own = (value: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(value, key) ? value[key] : undefined;

function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

function parsed(json: string): Json | undefined {
  try {
    return JSON.parse(json) as Json;
  } catch {
    return undefined;
  }
}
