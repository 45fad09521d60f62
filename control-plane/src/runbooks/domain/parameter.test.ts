import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseExpr } from "../../promql/parse.js";
import { bindParameters, fillQuery, PARAMETER, type Parameters, parametersOfQuery } from "./parameter.js";

const PARAMETERS: Parameters = {
  node: { type: "node", summary: "a node" },
  count: { type: "integer", summary: "how many", min: 1, max: 9, default: 3 },
  path: { type: "string", summary: "where", pattern: "/[a-z/]*", default: "/tmp" },
  mode: { type: "enum", summary: "how", values: ["soft", "hard"], default: "soft" },
  wait: { type: "duration", summary: "how long", max: "1h", default: "5m" },
  force: { type: "boolean", summary: "whether", default: false },
};

describe("parameters", () => {
  test("are given or have defaults; texts of flags become what the type wants", () => {
    expect(bindParameters(PARAMETERS, { node: "db-1", count: "7", force: "true" })).toEqual({
      values: { node: "db-1", count: 7, path: "/tmp", mode: "soft", wait: "5m", force: true },
    });
  });

  test.each([
    [{}, 'parameter "node" is missing'],
    [{ node: "a b" }, 'parameter "node" is "a b", expected a node\'s name or id'],
    [{ node: "a", count: 10 }, "expected a whole number from 1 to 9"],
    [{ node: "a", count: 1.5 }, "expected a whole number from 1 to 9"],
    [{ node: "a", path: "/tmp; rm -rf /" }, "expected a text that matches /[a-z/]*"],
    [{ node: "a", mode: "harder" }, "expected one of soft, hard"],
    [{ node: "a", wait: "2h" }, "expected a duration such as 5m to 1h"],
    [{ node: "a", nodes: "b" }, 'there is no parameter "nodes"'],
    [{ node: "a", ["__proto__x"]: 1 }, 'there is no parameter "__proto__x"'],
  ])("%j: %s", (given, said) => {
    const bound = bindParameters(PARAMETERS, given);
    expect("faults" in bound && bound.faults.join("; ")).toContain(said);
  });

  test("a pattern that could take for ever, or is none, is refused", () => {
    const fault = (pattern: string) => PARAMETER.safeParse({ type: "string", summary: "x", pattern }).success;
    expect([
      fault("^/[A-Za-z0-9/_.-]*$"),
      fault("(a+)+"),
      fault("["),
      fault("[(]x\\("),
      fault("a\\1"),
    ]).toEqual([true, false, false, true, false]);
  });
});

describe("a query", () => {
  test("has its parameters as literals, and what stands in strings and comments stays", () => {
    const query = 'x{node=$node,path=~"a$node$"}[$wait] > $count # $mode';
    expect(parametersOfQuery(query)).toEqual(["node", "wait", "count"]);
    const values = { node: 'a"} or vector(1) #', wait: "90s", count: 3, mode: "soft" };
    expect(fillQuery(query, PARAMETERS, values)).toBe(
      'x{node="a\\"} or vector(1) #",path=~"a$node$"}[1m30s] > 3 # $mode',
    );
  });

  test("keeps its shape whatever a text holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const filled = parseExpr(fillQuery("up{node=$node} == 1", PARAMETERS, { node: text }));
        const plain = parseExpr('up{node="x"} == 1');
        expect([filled.kind, "op" in filled && filled.op]).toEqual([plain.kind, "op" in plain && plain.op]);
      }),
    );
  });
});
