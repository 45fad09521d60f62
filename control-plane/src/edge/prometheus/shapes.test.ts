import { describe, expect, test } from "vitest";
import { OpsError } from "../../kernel/errors.js";
import { toWireError } from "../wire-errors.js";
import type { PromAlert, PromRuleGroup } from "./alerting-reads.js";
import { alertShape, formatExponent, formatValue, groupShape, promError, queryData } from "./shapes.js";

describe("a value's text", () => {
  test.each([
    [0, "0", "0e+00"],
    [-0, "-0", "-0e+00"],
    [1, "1", "1e+00"],
    [0.1, "0.1", "1e-01"],
    [123_456.75, "123456.75", "1.2345675e+05"],
    [1e20, "100000000000000000000", "1e+20"],
    [1e21, "1e+21", "1e+21"],
    [1e-6, "0.000001", "1e-06"],
    [1e-7, "1e-07", "1e-07"],
    [5e-324, "5e-324", "5e-324"],
    [Number.NaN, "NaN", "NaN"],
    [Number.POSITIVE_INFINITY, "+Inf", "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf", "-Inf"],
  ])("%d is %s, and in an alert %s", (value, short, exponent) => {
    expect(formatValue(value)).toBe(short);
    expect(formatExponent(value)).toBe(exponent);
  });
});

describe("a query's answer", () => {
  const notes = { warnings: [], infos: [] };
  test("scalar and string are a time and a text", () => {
    expect(queryData({ kind: "scalar", timestamp: 1_500, value: 2, ...notes })).toEqual({
      resultType: "scalar",
      result: [1.5, "2"],
    });
    expect(queryData({ kind: "string", timestamp: 1_000, value: "x", ...notes })).toEqual({
      resultType: "string",
      result: [1, "x"],
    });
  });

  test("a vector has one value a series, a matrix many", () => {
    const labels = { __name__: "up", job: "a" };
    expect(
      queryData({ kind: "vector", samples: [{ labels, timestamp: 1_000, value: 1 }], ...notes }),
    ).toEqual({
      resultType: "vector",
      result: [{ metric: labels, value: [1, "1"] }],
    });
    const series = {
      labels,
      timestamps: Float64Array.of(1_000, 2_000),
      values: Float64Array.of(1, Number.NaN),
    };
    expect(queryData({ kind: "matrix", series: [series], ...notes })).toEqual({
      resultType: "matrix",
      result: [
        {
          metric: labels,
          values: [
            [1, "1"],
            [2, "NaN"],
          ],
        },
      ],
    });
  });
});

describe("rules and alerts", () => {
  const alert: PromAlert = {
    labels: { alertname: "A" },
    annotations: { summary: "s" },
    state: "firing",
    activeAt: 1_435_781_451_781,
    value: 1,
  };
  const group: PromRuleGroup = {
    name: "g",
    file: "f.yml",
    interval: 30_000,
    limit: 0,
    evaluationSeconds: 0.5,
    lastEvaluation: undefined,
    rules: [
      {
        kind: "alerting",
        name: "A",
        query: "up == 0",
        labels: {},
        annotations: {},
        health: "ok",
        lastError: "",
        evaluationSeconds: 0.25,
        lastEvaluation: 0,
        for: 60_000,
        keepFiringFor: 0,
        alerts: [alert],
        state: "firing",
      },
      {
        kind: "recording",
        name: "r",
        query: "up",
        labels: {},
        health: "err",
        lastError: "bad",
        evaluationSeconds: 0,
        lastEvaluation: undefined,
      },
    ],
  };

  test("an alert's value has an exponent and its time is RFC 3339", () => {
    expect(alertShape(alert)).toEqual({
      labels: { alertname: "A" },
      annotations: { summary: "s" },
      state: "firing",
      activeAt: "2015-07-01T20:10:51.781Z",
      value: "1e+00",
    });
    expect(alertShape({ ...alert, keepFiringSince: 0 })).toMatchObject({
      keepFiringSince: "1970-01-01T00:00:00.000Z",
    });
  });

  test("a group has its rules, with seconds for durations", () => {
    expect(groupShape(group, true)).toMatchObject({
      interval: 30,
      lastEvaluation: "0001-01-01T00:00:00Z",
      rules: [
        { type: "alerting", duration: 60, keepFiringFor: 0, alerts: [{ state: "firing" }], state: "firing" },
        { type: "recording", health: "err", lastError: "bad" },
      ],
    });
    const [alerting, recording] = (groupShape(group, false) as { rules: object[] }).rules;
    expect(alerting).toMatchObject({ alerts: [] });
    expect(alerting).not.toHaveProperty("lastError");
    expect(recording).not.toHaveProperty("labels");
  });
});

test.each([
  ["INVALID_ARGUMENT", 400, "bad_data"],
  ["FAILED_PRECONDITION", 422, "execution"],
  ["RESOURCE_EXHAUSTED", 422, "execution"],
  ["DEADLINE_EXCEEDED", 503, "timeout"],
  ["CANCELLED", 499, "canceled"],
  ["NOT_FOUND", 404, "not_found"],
  ["UNAVAILABLE", 503, "unavailable"],
  ["INTERNAL", 500, "internal"],
  ["UNAUTHENTICATED", 401, "unauthorized"],
] as const)("%s is %d %s", (code, status, errorType) => {
  const { wire } = toWireError(new OpsError(code, "m"), () => "id");
  expect(promError(wire)).toMatchObject({ status, body: { status: "error", errorType } });
});
