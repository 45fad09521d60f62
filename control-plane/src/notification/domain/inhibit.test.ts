import { describe, expect, test } from "vitest";
import { type Labels } from "../../kernel/labels.js";
import { type NotifiedAlert } from "./alert.js";
import { type InhibitRule } from "./config.js";
import { fingerprintOf } from "./fingerprint.js";
import { compileInhibition } from "./inhibit.js";
import { compileMatchers } from "./matcher.js";

const alertOf = (labels: Labels, endsAt?: number): NotifiedAlert => ({
  fingerprint: fingerprintOf(labels),
  labels,
  annotations: {},
  startsAt: 0,
  endsAt,
  updatedAt: endsAt ?? 0,
  generatorUrl: "",
});

describe("inhibition", () => {
  const rule: InhibitRule = {
    name: "r",
    source: compileMatchers([{ name: "severity", op: "=", value: "critical" }]),
    target: compileMatchers([{ name: "severity", op: "=~", value: "warning|critical" }]),
    equal: ["node", "zone"],
  };
  const critical = alertOf({ severity: "critical", node: "a" });
  test.each([
    ["a warning of the same node", [critical], { severity: "warning", node: "a" }, true],
    ["a warning of another node", [critical], { severity: "warning", node: "b" }, false],
    [
      "one with a label that is absent in the source",
      [critical],
      { severity: "warning", node: "a", zone: "z" },
      false,
    ],
    ["a source that is target too, by itself", [critical], { severity: "critical", node: "a" }, false],
    ["one that is no target", [critical], { severity: "info", node: "a" }, false],
    [
      "a warning whose source is over",
      [alertOf(critical.labels, 5)],
      { severity: "warning", node: "a" },
      false,
    ],
  ])("%s: %o", (_, sources, labels, hidden) => {
    const target = alertOf(labels);
    const found = compileInhibition([rule], [...sources, target], 10)(target);
    expect(found.map(({ by }) => by)).toEqual(hidden ? [critical.fingerprint] : []);
  });
});
