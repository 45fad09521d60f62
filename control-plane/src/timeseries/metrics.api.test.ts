import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ListLabelValuesRequestSchema,
  QueryRangeRequestSchema,
  QueryRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/metrics_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MINUTE } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import { silentLogger } from "../platform/logger.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTimeSeries } from "./embedded.js";
import { metricsApi } from "./metrics.api.js";

const T0 = 1_800_000_000_000;
const system = fakeSystem(T0 + 2 * MINUTE);
const engine = createTimeSeries({ database: undefined, system, logger: silentLogger, place: "in-process" });
const api = metricsApi({ clock: system.clock, series: engine });
const context: CallContext = {
  caller: { actor: { kind: "human", name: "ann" }, roles: ["viewer"], tokenId: "t" },
  trace: { traceId: "0".repeat(32), spanId: "0".repeat(16), sampled: false },
  signal: new AbortController().signal,
};

beforeAll(async () => {
  await engine.start();
  const at = (minute: number, value: number) => ({
    labels: { __name__: "m", job: "a" },
    timestampMs: T0 + minute * MINUTE,
    value,
  });
  await engine.append([at(0, 1), at(1, 2), at(2, 3)]);
});
afterAll(() => engine.stop());

describe("MetricsService", () => {
  test.each([
    {
      expr: "m",
      kind: "vector",
      series: [
        { labels: { __name__: "m", job: "a" }, points: [{ timestampMs: BigInt(T0 + 2 * MINUTE), value: 3 }] },
      ],
    },
    {
      expr: "m[90s]",
      kind: "matrix",
      series: [
        {
          labels: { __name__: "m", job: "a" },
          points: [
            { timestampMs: BigInt(T0 + MINUTE), value: 2 },
            { timestampMs: BigInt(T0 + 2 * MINUTE), value: 3 },
          ],
        },
      ],
    },
    {
      expr: "1 + 1",
      kind: "scalar",
      series: [{ points: [{ timestampMs: BigInt(T0 + 2 * MINUTE), value: 2 }] }],
    },
    { expr: '"text"', kind: "string", text: "text" },
  ])("answers $expr now with a $kind", async (expected) => {
    const { expr, ...answer } = expected;
    expect(await api.query(create(QueryRequestSchema, { expr }), context)).toMatchObject(answer);
  });

  test("answers for a time in the past", async () => {
    const request = create(QueryRequestSchema, { expr: "m", at: timestampFromMs(T0) });
    expect(await api.query(request, context)).toMatchObject({ series: [{ points: [{ value: 1 }] }] });
  });

  test("answers over a range, and refuses one without a beginning", async () => {
    const times = { from: timestampFromMs(T0), to: timestampFromMs(T0 + 2 * MINUTE), stepMs: BigInt(MINUTE) };
    const answer = await api.queryRange(
      create(QueryRangeRequestSchema, { expr: "m * 2", ...times }),
      context,
    );
    expect(answer.series?.map((series) => series.points?.map((point) => point.value))).toEqual([[2, 4, 6]]);
    await expect(
      api.queryRange(create(QueryRangeRequestSchema, { expr: "m" }), context),
    ).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "from: missing; expected a time before `to`",
    });
  });

  test("gives Prometheus' message for a bad expression", async () => {
    await expect(api.query(create(QueryRequestSchema, { expr: "m{" }), context)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^1:3: parse error: unexpected end of input inside braces/),
    });
  });

  test("lists values of a label, and refuses what is none", async () => {
    const list = (label: string, prefix = "") =>
      api.listLabelValues(create(ListLabelValuesRequestSchema, { label, prefix }), context);
    expect(await list("__name__")).toEqual({ values: ["m"], truncated: false });
    expect(await list("job", "b")).toEqual({ values: [], truncated: false });
    await expect(list("a-b")).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: 'label: "a-b" is no label\'s name',
    });
  });
});
