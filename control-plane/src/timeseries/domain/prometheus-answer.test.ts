import { describe, expect, test } from "vitest";
import { OpsError } from "../../kernel/errors.js";
import { readAnswer, readTexts, readValue } from "./prometheus-answer.js";

const success = (data: unknown): string => JSON.stringify({ status: "success", data });
const valueOfText = (data: unknown) => readValue(readAnswer(200, success(data)));

describe("an engine's answer", () => {
  test("gives a vector, its values to the last bit", () => {
    const result = [
      { metric: { __name__: "a", node: "n" }, value: [1_795_000_000.123, "0.30000000000000004"] },
      { metric: {}, value: [1_795_000_000.123, "+Inf"] },
      { metric: {}, value: [1_795_000_000.123, "NaN"] },
    ];
    expect(valueOfText({ resultType: "vector", result })).toMatchObject({
      kind: "vector",
      samples: [
        { labels: { __name__: "a", node: "n" }, timestamp: 1_795_000_000_123, value: 0.1 + 0.2 },
        { value: Number.POSITIVE_INFINITY },
        { value: Number.NaN },
      ],
    });
  });

  test("gives scalars, texts, matrices and lists, with what it was warned of", () => {
    expect(valueOfText({ resultType: "scalar", result: [1, "-Inf"] })).toMatchObject({
      value: Number.NEGATIVE_INFINITY,
    });
    expect(valueOfText({ resultType: "string", result: [1, "x"] })).toMatchObject({
      kind: "string",
      value: "x",
    });
    const matrix = valueOfText({
      resultType: "matrix",
      result: [
        {
          metric: {},
          values: [
            [1, "1"],
            [2.5, "2"],
          ],
        },
      ],
    });
    expect(matrix).toMatchObject({
      series: [{ timestamps: Float64Array.of(1_000, 2_500), values: Float64Array.of(1, 2) }],
    });
    const warned = readAnswer(
      200,
      JSON.stringify({ status: "success", data: ["a"], warnings: ["w"], infos: null }),
    );
    expect([readTexts(warned), warned.warnings, warned.infos]).toEqual([["a"], ["w"], []]);
  });

  test.each<[number, string, string, RegExp]>([
    [
      400,
      '{"status":"error","errorType":"bad_data","error":"parse error: x"}',
      "INVALID_ARGUMENT",
      /^parse error: x$/,
    ],
    [
      422,
      '{"status":"error","errorType":"execution","error":"found duplicate series"}',
      "INVALID_ARGUMENT",
      /duplicate/,
    ],
    [
      422,
      '{"status":"error","errorType":"execution","error":"query processing would load too many samples"}',
      "RESOURCE_EXHAUSTED",
      /too many/,
    ],
    [
      503,
      '{"status":"error","errorType":"timeout","error":"query timed out"}',
      "DEADLINE_EXCEEDED",
      /timed out/,
    ],
    [502, "<html>Bad Gateway</html>", "UNAVAILABLE", /HTTP 502/],
    [401, "Unauthorized", "PERMISSION_DENIED", /refuses us: HTTP 401/],
    [200, "{}", "UNAVAILABLE", /HTTP 200/],
    [
      200,
      success({ resultType: "vector", result: [{ metric: {}, value: [1, "one"] }] }),
      "DATA_LOSS",
      /"one", expected a number/,
    ],
    [200, success({ resultType: "vector", result: 7 }), "DATA_LOSS", /data\.result/],
  ])("HTTP %i %s is %s", (status, text, code, message) => {
    const read = (): unknown => readValue(readAnswer(status, text));
    expect(read).toThrow(message);
    try {
      read();
    } catch (error) {
      expect(error instanceof OpsError && error.code).toBe(code);
    }
  });
});
