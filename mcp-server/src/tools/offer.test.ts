import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isOffered,
  narrowed,
  type Offer,
  READ_ONLY,
  refusesChanges,
  strayPatterns,
  TOOLSETS,
} from "./offer.js";

const read = { name: "nodes_list", toolset: "fleet", effect: "read" } as const;
const write = { name: "change_plan", toolset: "commands", effect: "write" } as const;
const all: Offer = { ...READ_ONLY, writes: true };
const rules = (allow: string[] | undefined, deny: string[] = []) => ({ allow, deny });

test.each([
  ["to read, when nothing was said", READ_ONLY, read, true],
  ["to change something, when nothing was said", READ_ONLY, write, false],
  ["to change something, when that was allowed", all, write, true],
  ["of another toolset", { ...all, toolsets: ["health"] as const }, read, false],
  ["that is allowed by name", { ...all, tools: rules(["nodes_list"]) }, read, true],
  ["that is not among those allowed", { ...all, tools: rules(["node_*"]) }, read, false],
  ["that is allowed and denied", { ...all, tools: rules(["nodes_list"], ["nodes_*"]) }, read, false],
  ["that only looks like one denied", { ...all, tools: rules(undefined, ["nodes"]) }, read, true],
])("a tool %s", (_, offer, tool, offered) => {
  expect(isOffered(offer, tool)).toBe(offered);
});

describe("changes on a node", () => {
  const node = { name: "DB-1", labels: { env: "Prod" } };
  test.each([
    ["that is not named anywhere", all, undefined],
    ["that is denied, whatever the case", { ...all, nodes: rules(undefined, ["db-*"]) }, "node"],
    ["that is not among those allowed", { ...all, nodes: rules(["web-*"]) }, "node"],
    ["of an environment that is denied", { ...all, environments: rules(undefined, ["prod"]) }, "environment"],
    ["of an environment that is allowed", { ...all, environments: rules(["prod"]) }, undefined],
    ["of no environment, where one is asked for", { ...all, environments: rules(["stage"]) }, "environment"],
  ])("%s", (_, offer, because) => {
    expect(refusesChanges(offer, node)?.includes(because ?? "")).toBe(
      because === undefined ? undefined : true,
    );
  });
});

describe("a header", () => {
  const header = (headers: Record<string, string>) => (name: string) => headers[name];
  test.each([
    ["that asks for nothing special", {}, all, [true, true]],
    ["that asks to read only", { "mainstay-read-only": "true" }, all, [true, false]],
    [
      "that asks to write where that is not allowed",
      { "mainstay-read-only": "false" },
      READ_ONLY,
      [true, false],
    ],
    ["that asks to read only, in other words", { "mainstay-read-only": "yes" }, all, [true, false]],
    ["that wants one toolset", { "mainstay-toolsets": "commands" }, all, [false, true]],
    ["that wants no toolset at all", { "mainstay-toolsets": "" }, all, [false, false]],
    ["that wants one tool", { "mainstay-tools": "nodes_list" }, all, [true, false]],
    [
      "that wants a denied tool",
      { "mainstay-tools": "nodes_list" },
      { ...all, tools: rules(["remediation_request"]) },
      [false, false],
    ],
  ])("%s", (_, headers, offer, [reads, writes]) => {
    const less = narrowed(offer, header(headers));
    expect([isOffered(less, read), isOffered(less, write)]).toEqual([reads, writes]);
  });

  test("never adds a tool, whatever stands in it", () => {
    const pattern = fc.constantFrom("*", "nodes_list", "remediation_*", "n*t", "x", "");
    const list = fc.array(pattern, { maxLength: 4 });
    const offers = fc.record({
      writes: fc.boolean(),
      toolsets: fc.subarray([...TOOLSETS]),
      allow: fc.option(list, { nil: undefined }),
      deny: list,
    });
    const headers = fc.record(
      {
        "mainstay-toolsets": fc.oneof(fc.constantFrom("all", "*", "fleet,commands"), fc.string()),
        "mainstay-tools": fc.oneof(
          list.map((names) => names.join()),
          fc.string(),
        ),
        "mainstay-read-only": fc.constantFrom("true", "false", "FALSE", "0", ""),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(offers, headers, ({ writes, toolsets, allow, deny }, given) => {
        const offer: Offer = { ...READ_ONLY, writes, toolsets, tools: { allow, deny } };
        const sent: Record<string, string | undefined> = given;
        const less = narrowed(offer, (name) => sent[name]);
        for (const tool of [read, write])
          if (isOffered(less, tool)) expect(isOffered(offer, tool)).toBe(true);
      }),
    );
  });
});

test("a pattern that fits no tool is found", () => {
  const offer: Offer = { ...READ_ONLY, tools: rules(["node*"], ["change-plan", "*"]) };
  expect(strayPatterns(offer, ["nodes_list", "remediation_request"])).toEqual(["change-plan"]);
});
