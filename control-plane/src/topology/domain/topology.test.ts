import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { MINUTE } from "../../kernel/time.js";
import { type Component, parseComponents, strictest, type Topology } from "./component.js";
import { blastRadius, findImpact } from "./find-impact.js";

const read = (content: unknown) => parseComponents(content, () => 7);
const topologyOf = (content: unknown): Topology => {
  const parsed = read(content);
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.value;
};
const made = (id: string, dependsOn: readonly string[] = []) => ({ id, dependsOn, criticality: "low" });
const shipped = topologyOf(
  parse(readFileSync(new URL("../../../config/components.yaml", import.meta.url), "utf8")),
);

describe("a components file", () => {
  test.each([
    ["a field that is not known", { components: [{ ...made("a"), needs: [] }] }, /7: components\.0: .*needs/],
    ["an id that is there twice", { components: [made("a"), made("a")] }, /"a" is there twice/],
    [
      "a dependency that is not there",
      { components: [made("a", ["b"])] },
      /"a" needs "b", which is not there/,
    ],
    [
      "a cycle, with its path",
      { components: [made("a", ["b"]), made("b", ["c"]), made("c", ["a"])] },
      /a needs b needs c needs a: a cycle/,
    ],
    ["a component that needs itself", { components: [made("a", ["a"])] }, /a needs a: a cycle/],
    [
      "a duration that is none",
      { components: [{ ...made("a"), objectives: [{ source: "s", rto: "soon" }] }] },
      /"soon"/,
    ],
    [
      "a switchover that begins by itself at any time",
      { components: [{ ...made("a"), drills: [{ kind: "switchover", every: "30d", begins: "by-itself" }] }] },
      /7: components\.0\.drills\.0: .*needs windows/,
    ],
    [
      "a restore of nothing",
      { components: [{ ...made("a"), drills: [{ kind: "restore", every: "1d" }] }] },
      /drills\.0\.node/,
    ],
    [
      "the same drill twice",
      {
        components: [
          {
            ...made("a"),
            drills: [1, 2].map(() => ({ kind: "restore", every: "1d", node: "n", repository: "r" })),
          },
        ],
      },
      /the same drill twice/,
    ],
    ["a selector of every node", { components: [{ ...made("a"), selector: {} }] }, /would select every node/],
  ])("is refused for %s", (_, content, fault) => {
    const parsed = read(content);
    expect("faults" in parsed && parsed.faults.join("\n")).toMatch(fault);
  });

  test("a restore begins by itself unless it is said otherwise, a switchover only when it is said", () => {
    const drills = [
      { kind: "restore", every: "1d", node: "n", repository: "r" },
      { kind: "restore", every: "1d", node: "n", repository: "r", to: "any", begins: "by-a-person" },
      { kind: "switchover", every: "30d" },
    ];
    const [component] = topologyOf({ components: [{ ...made("a"), drills }] });
    expect(component?.drills?.map(({ byItself }) => byItself)).toEqual([true, false, false]);
    expect(component?.drills?.[0]?.restore).toEqual({ node: "n", repository: "r", to: "newest" });
  });

  test("an empty one has no components", () => {
    expect(topologyOf(null)).toEqual([]);
  });

  test("what is shipped keeps both numbers where sources disagree, and the stricter counts", () => {
    const primary = shipped.find(({ id }) => id === "pg-primary") as Component;
    expect(primary.objectives.map(({ rto }) => rto)).toEqual([10 * MINUTE, 15 * MINUTE]);
    expect(strictest(primary)).toEqual({ rto: 10 * MINUTE, rpo: 5 * MINUTE });
    expect(strictest(shipped.find(({ id }) => id === "vault") as Component).rto).toBe(5 * MINUTE);
  });
});

describe("who is affected", () => {
  const affectedBy = (id: string) => findImpact(shipped, [id]).map(({ component }) => component.id);

  test.each([
    ["vault", ["mcp-api", "mcp-ws"]],
    ["redis", ["mcp-api", "mcp-ws"]],
    ["pg-primary", ["pg-replica", "mcp-api", "mcp-ws"]],
    ["mcp-ws", []],
    ["monitoring", []],
  ])("by %s", (id, affected) => {
    expect(affectedBy(id)).toEqual(affected);
  });

  test("each is named once, with the shortest path from what is away", () => {
    expect(findImpact(shipped, ["pg-primary"]).at(-1)?.path).toEqual(["pg-primary", "mcp-api", "mcp-ws"]);
  });

  test("in any graph without cycles, all that reach it over dependencies and no others", () => {
    const graph = fc.array(fc.array(fc.nat(30), { maxLength: 4 }), { maxLength: 30 }).map((edges) =>
      edges.map((needs, index) =>
        made(
          `c${index}`,
          [...new Set(needs.filter((n) => n < index))].map((n) => `c${n}`),
        ),
      ),
    );
    fc.assert(
      fc.property(graph, fc.nat(29), (components, picked) => {
        const topology = topologyOf({ components: components.reverse() });
        const positions = new Map(topology.map(({ id }, index) => [id, index]));
        for (const { id, dependsOn } of topology)
          for (const needed of dependsOn) expect(positions.get(needed)).toBeLessThan(positions.get(id) ?? -1);
        const away = `c${picked}`;
        const reaches = (id: string): boolean =>
          topology.find((one) => one.id === id)?.dependsOn.some((next) => next === away || reaches(next)) ??
          false;
        const expected = topology.filter(({ id }) => reaches(id)).map(({ id }) => id);
        expect(
          findImpact(topology, [away])
            .map(({ component }) => component.id)
            .sort(),
        ).toEqual(expected.sort());
      }),
      { numRuns: 200 },
    );
  });
});

describe("how far a change reaches", () => {
  const node = (name: string, role?: string) => ({ name, labels: role === undefined ? {} : { role } });
  const sizes = new Map([["redis", 4]]);

  test("one of four nodes of a role, and who depends on the role's component", () => {
    expect(blastRadius(shipped, sizes, [node("r1", "redis")])).toEqual({
      nodes: ["r1"],
      components: ["redis"],
      dependents: ["mcp-api", "mcp-ws"],
      roleShare: 0.25,
      criticality: "critical",
    });
  });

  test("a node without a role that no component runs on", () => {
    expect(blastRadius(shipped, sizes, [node("x")])).toMatchObject({
      components: [],
      roleShare: 0,
      criticality: undefined,
    });
  });

  test("the only node of its role is all of it", () => {
    expect(blastRadius(shipped, new Map([["vault", 1]]), [node("v", "vault")]).roleShare).toBe(1);
  });
});
