import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { DEFAULT_SAFETY, domainsOf, inFlightMax, parseSafety } from "./safety-policy.js";

describe("a safety policy", () => {
  test("that is shipped says what holds without one", () => {
    const text = readFileSync(join(import.meta.dirname, "../../../config/safety.yaml"), "utf8");
    expect(parseSafety(parse(text), () => 0)).toEqual({ value: DEFAULT_SAFETY });
  });

  test("names its faults", () => {
    const faulty = { storm: { share: 1.5, cooldown: "soon" }, inFlight: [{ label: "a-b", max: 0 }] };
    expect(parseSafety(faulty, () => 7)).toEqual({
      faults: [
        "7: inFlight.0.label: expected the name of a node's label",
        expect.stringMatching(/^7: inFlight\.0\.max: /),
        expect.stringMatching(/^7: storm\.share: /),
        '7: storm.cooldown: not a duration of at least 0s: "soon", expected such as 30s, 5m or 1h',
      ],
    });
  });

  test.each([
    { max: 5, share: 0.34, nodes: 0, most: 1 },
    { max: 5, share: 0.34, nodes: 3, most: 1 },
    { max: 5, share: 0.34, nodes: 6, most: 2 },
    { max: 5, share: 0.34, nodes: 100, most: 5 },
  ])("of $nodes nodes, at most $max and $share of them: $most at once", ({ max, share, nodes, most }) => {
    expect(inFlightMax({ max, share }, nodes)).toBe(most);
  });

  test("puts a node into the domains of the labels that it has", () => {
    expect(domainsOf(DEFAULT_SAFETY, { zone: "a", role: "", other: "b" })).toEqual(["zone=a"]);
  });
});
