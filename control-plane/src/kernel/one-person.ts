/** Who stands behind an actor, for what one person may not do twice. */
import type { Actor } from "./actor.js";

/** Whether two act for one person: of that name, or by MCP clients of theirs (`claude for ann@issuer`, `cursor for ann@issuer`). */
export function isOnePerson(one: Actor, other: Actor): boolean {
  if (one.name === other.name) return true;
  if (one.kind !== "mcp" && other.kind !== "mcp") return false;
  const others = personsBehind(other);
  return personsBehind(one).some((name) =>
    others.some((another) => name === another || isAt(name, another) || isAt(another, name)),
  );
}

/** A client chooses its own name, and may put a person's into it: whoever may be meant is one of them. */
function personsBehind({ kind, name }: Actor): string[] {
  if (kind !== "mcp") return [name];
  const parts = name.split(" for ");
  return parts.slice(1).map((_, index) => parts.slice(index + 1).join(" for "));
}

/** `ann@issuer` is known here as `ann`. */
function isAt(name: string, short: string): boolean {
  return name.startsWith(`${short}@`);
}
