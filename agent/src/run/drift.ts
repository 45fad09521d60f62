/** Whether the world is still as a plan saw it. Pure. */
import type { Observation, ObservedState } from "./action.js";
import { canonicalJson, type Json, sha256Hex } from "./canonical.js";
import type { Plan } from "./plans.js";

/** Changes that are named one by one; the rest is counted. */
const changesShown = 20;
const valueShown = 120;

/** Whether a run has to look before it begins: there is something that the plan rests on. */
export function restsOnState(plan: Plan): boolean {
  return plan.observed !== undefined && Object.keys(plan.observed).length > 0;
}

/** What changed since the plan, one line each: `path: before -> after`; empty when nothing did. */
export function driftSince(plan: Plan, now: Observation): readonly string[] {
  if (now.kind === "impossible") return [`it cannot be planned any more: ${now.because}`];
  if (stateHash(now.state) === plan.stateHash) return [];
  const changes = changesOf("", plan.observed ?? {}, now.state);
  const more = changes.length - changesShown;
  return more > 0 ? [...changes.slice(0, changesShown), `and ${more} more`] : changes;
}

/** SHA-256 (hex) of a state. */
export function stateHash(state: ObservedState): string {
  return sha256Hex(canonicalJson(state));
}

function changesOf(path: string, before: Json, after: Json): string[] {
  if (isMapping(before) && isMapping(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) =>
      changesOf(path === "" ? key : `${path}.${key}`, own(before, key), own(after, key)),
    );
  }
  const [was, is] = [shown(before), shown(after)];
  return was === is ? [] : [`${path}: ${was.slice(0, valueShown)} -> ${is.slice(0, valueShown)}`];
}

function isMapping(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Not what an object has by birth: a state may have any key. */
function own(value: { readonly [key: string]: Json }, key: string): Json {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function shown(value: Json): string {
  return value === undefined ? "nothing" : canonicalJson(value);
}
