import { expect, test } from "vitest";
import type { Actor } from "./actor.js";
import { isOnePerson } from "./one-person.js";

test.each<[Actor["kind"], string, Actor["kind"], string, boolean]>([
  ["human", "ann", "human", "ann", true],
  ["human", "ann", "human", "ann@id", false],
  ["mcp", "claude for ann@id", "human", "ann", true],
  ["mcp", "claude for ann@id", "human", "an", false],
  ["mcp", "claude for ann@id", "mcp", "cursor for ann@id", true],
  ["mcp", "claude for ann@one", "mcp", "claude for ann@two", false],
  ["mcp", "claude for bob@id", "mcp", "claude for ann@id", false],
  ["mcp", "x for bob@id for ann@id", "human", "ann", true],
  ["mcp", "claude", "mcp", "cursor", false],
])("%s %j and %s %j: %j", (kind, name, otherKind, other, one) => {
  expect(isOnePerson({ kind, name }, { kind: otherKind, name: other })).toBe(one);
  expect(isOnePerson({ kind: otherKind, name: other }, { kind, name })).toBe(one);
});
