import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, type Json } from "./canonical-json.js";
import { cleanText } from "./clean-text.js";
import { formatLabels, isLabelName, labelsKey } from "./labels.js";
import { formatDuration, parseDuration } from "./time.js";
import { childSpan, formatTraceparent, parseTraceparent } from "./trace.js";

describe("durations", () => {
  test.each([
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["250ms", 250],
    ["1y2w3d", 31_536_000_000 + 1_209_600_000 + 259_200_000],
    ["0", 0],
    ["", undefined],
    ["5", undefined],
    ["5 m", undefined],
    ["30m1h", undefined],
    ["-5m", undefined],
  ])("%s is %s ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test("are written as they can be read", () => {
    fc.assert(fc.property(fc.nat(10_000_000_000), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});

describe("labels", () => {
  test("have one key whatever their order, and no other labels have it", () => {
    const labels = fc.dictionary(
      fc.stringMatching(/^[a-z_]{1,3}$/).filter(isLabelName),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(labels, labels, (a, b) => {
        const shown = (l: object) =>
          JSON.stringify(
            Object.entries(l)
              .filter(([, v]) => v !== "")
              .sort(),
          );
        expect(labelsKey(a) === labelsKey(b)).toBe(shown(a) === shown(b));
        expect(labelsKey(Object.fromEntries(Object.entries(a).reverse()))).toBe(labelsKey(a));
      }),
    );
  });

  test("are printed as Prometheus prints them", () => {
    expect(formatLabels({ __name__: "up", job: "a", b: 'x"y' })).toBe('up{b="x\\"y", job="a"}');
    expect(formatLabels({ __name__: "up" })).toBe("up");
    expect(formatLabels({})).toBe("{}");
  });

  test("cannot be named __proto__", () => {
    expect(isLabelName("__proto__")).toBe(false);
  });
});

describe("trace context", () => {
  const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  test("goes through unchanged", () => {
    const context = parseTraceparent(good);
    expect(context && formatTraceparent(context)).toBe(good);
  });

  test.each([
    undefined,
    "",
    "00-0-0-00",
    good.replace("00-", "ff-"),
    `${good}-x`,
    good.replace(/[0-9a-f]{32}/, "0".repeat(32)),
    good.toUpperCase(),
  ])("%s is none", (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  test("a child keeps the trace and has a span of its own", () => {
    const child = childSpan(parseTraceparent(good), (n) => "a".repeat(n));
    expect(child).toEqual({
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      spanId: "a".repeat(16),
      sampled: true,
    });
  });
});

describe("text from a host", () => {
  test.each([
    ["\u001b[31mred\u001b[0m", 100, " [31mred [0m"],
    ["a\u202eb\u2066c\nd", 100, "a b c d"],
    ["x".repeat(10), 5, "xxxx…"],
    ["\ud800", 5, "\ufffd"],
  ])("%j is made fit to show", (text, max, clean) => {
    expect(cleanText(text, max)).toBe(clean);
  });
});

test("canonical JSON is equal for equal values and reads back", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const json = value as Json;
      expect(JSON.parse(canonicalJson(json))).toEqual(JSON.parse(JSON.stringify(json)));
    }),
  );
  expect(canonicalJson({ b: [1, { z: null, a: "x" }], a: true })).toBe(
    '{"a":true,"b":[1,{"a":"x","z":null}]}',
  );
});
