/** Samples that other servers write and read, through the real door into the real engine. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import { DAY } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { system } from "../platform/system.js";
import { createTimeSeries, type TimeSeries } from "../timeseries/timeseries.module.js";
import { prometheusDoor } from "./prometheus/prometheus-api.js";
import { packSnappy, unpackSnappy } from "./prometheus/remote-write/snappy.js";
import { WireReader } from "./prometheus/remote-write/wire-reader.js";
import { field, varint, type WrittenSeries, writeRequest } from "./prometheus/testing/encode-write.js";
import { openTestDoors, type TestDoors, TOKEN } from "./testing/open-test-doors.js";

let series: TimeSeries;
let doors: TestDoors;
let now: number;
beforeAll(async () => {
  series = createTimeSeries({
    database: undefined,
    system,
    logger: silentLogger,
    place: "in-process",
    seriesLimits: { globalSeriesMax: 3_000 },
  });
  await series.start();
  now = Math.floor(system.clock.now() / 1_000) * 1_000;
  doors = await openTestDoors({
    prometheus: prometheusDoor({
      series,
      alerting: { alerts: async () => [], rules: async () => [] },
      clock: system.clock,
      version: "0.1.0",
      startedAt: now,
      ruleFiles: [],
      retention: 15 * DAY,
    }),
  });
});
afterAll(async () => {
  await doors.close();
  await series.stop();
});

const authorization = `Bearer ${TOKEN}`;
interface Post {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
}

async function post(path: string, { method, headers, body }: Post) {
  const answer = await fetch(`${doors.rest}${path}`, {
    method,
    headers: { ...headers, authorization },
    body,
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

const write = (version: 1 | 2, ...written: readonly WrittenSeries[]) =>
  post("/api/v1/write", writeRequest(version, written));

const labels = (name: string, instance: string, ...more: readonly string[]): readonly string[] => [
  ...["__name__", name, "instance", instance, "job", "app"],
  ...more,
];

async function query(expr: string, at = now): Promise<Readonly<Record<string, string>>> {
  const value = await series.query(expr, at);
  if (value.kind !== "vector") throw new Error(`a ${value.kind}`);
  return Object.fromEntries(
    value.samples.map(({ labels: of, value: number }) => [
      `${of["__name__"]} ${of["instance"]}`,
      `${number}`,
    ]),
  );
}

async function raw(expr: string, at = now): Promise<readonly (readonly [number, number])[]> {
  const value = await series.query(expr, at);
  if (value.kind !== "matrix") throw new Error(`a ${value.kind}`);
  return value.series.flatMap(({ timestamps, values }) =>
    Array.from(timestamps, (time, index): [number, number] => [
      (time - now) / 1_000,
      values[index] as number,
    ]),
  );
}

describe.each([1, 2] as const)("version %d", (version) => {
  const name = (rest: string): string => `v${version}_${rest}`;

  test("samples are there when they are acknowledged", async () => {
    const a = { labels: labels(name("a"), "x", "path", "/ü"), samples: [{ at: now - 2_000, value: 1.5 }] };
    const b = { labels: labels(name("b"), "x"), samples: [{ at: now - 2_000, value: -0.25 }] };
    const answer = await write(version, a, b);
    expect(answer).toMatchObject({ status: 204, text: "" });
    expect(answer.headers.get("x-prometheus-remote-write-samples-written")).toBe(version === 1 ? null : "2");
    expect(await query(`{__name__=~"${name("[ab]")}", job="app"}`)).toEqual({
      [`${name("a")} x`]: "1.5",
      [`${name("b")} x`]: "-0.25",
    });
    expect(await query(`{path="/ü", __name__="${name("a")}"}`)).not.toEqual({});
  });

  test("a series ends with the staleness marker", async () => {
    const of = labels(name("gone"), "x");
    await write(version, { labels: of, samples: [{ at: now - 20_000, value: 7 }] });
    expect(await query(name("gone"))).toEqual({ [`${name("gone")} x`]: "7" });
    expect(
      (await write(version, { labels: of, samples: [{ at: now - 5_000, value: Number.NaN }] })).status,
    ).toBe(204);
    expect(await query(name("gone"))).toEqual({});
    expect(await query(name("gone"), now - 6_000)).toEqual({ [`${name("gone")} x`]: "7" });
  });

  test("type and help are kept for people", async () => {
    const sample = { at: now - 1_000, value: 1 };
    await write(version, {
      labels: labels(name("noted"), "x"),
      samples: [sample],
      type: 2,
      help: "What it is",
    });
    const path = `/api/v1/metadata?metric=${name("noted")}`;
    const answer = await fetch(`${doors.rest}${path}`, { headers: { authorization } });
    expect(await answer.json()).toMatchObject({
      data: { [name("noted")]: [{ type: "gauge", help: "What it is", unit: "" }] },
    });
  });

  test("the good are kept, the bad are told", async () => {
    const of = labels(name("late"), "x");
    await write(version, { labels: of, samples: [{ at: now - 10_000, value: 1 }] });
    const answer = await write(
      version,
      { labels: of, samples: [{ at: now - 20_000, value: 2 }] },
      { labels: labels(name("good"), "x"), samples: [{ at: now - 10_000, value: 3 }] },
      { labels: ["__name__", "no-name", "job", "x"], samples: [{ at: now - 10_000, value: 4 }] },
      { labels: labels(name("future"), "x"), samples: [{ at: now + DAY, value: 5 }] },
      { labels: labels(name("native"), "x"), samples: [], histograms: 2 },
    );
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(
      `out of order sample: 1 samples refused, one of them ${name("late")}{instance="x", job="app"} at ${now - 20_000}`,
    );
    expect(answer.text).toContain("invalid metric name: 1 samples refused, one of them no-name{");
    expect(answer.text).toContain("out of bounds: 1 samples refused");
    expect(answer.text).toContain("native histograms are not kept here: 2 refused");
    expect(await query(`{__name__=~"${name("(good|late)")}"}`)).toEqual({
      [`${name("good")} x`]: "3",
      [`${name("late")} x`]: "1",
    });
  });

  test("what comes again is no fault; another value for the same time is", async () => {
    const of = labels(name("again"), "x");
    const once = { labels: of, samples: [{ at: now - 3_000, value: 1 }] };
    expect((await write(version, once)).status).toBe(204);
    expect((await write(version, once)).status).toBe(204);
    const other = await write(version, { labels: of, samples: [{ at: now - 3_000, value: 2 }] });
    expect(other).toMatchObject({
      status: 400,
      text: expect.stringContaining("duplicate sample for timestamp"),
    });
    expect(await query(name("again"))).toEqual({ [`${name("again")} x`]: "1" });
  });

  test("parts of what was read together may come apart and overtake each other", async () => {
    const one = labels(name("part"), "one");
    const two = labels(name("part"), "one", "k", "v");
    const at = (seconds: number, value: number) => ({ at: now - seconds * 1_000, value });
    await write(version, { labels: one, samples: [at(60, 1)] }, { labels: two, samples: [at(60, 2)] });
    await write(version, { labels: one, samples: [at(45, 3)] });
    await write(version, { labels: one, samples: [at(30, 4)] });
    expect((await write(version, { labels: two, samples: [at(45, 5)] })).status).toBe(204);
    // Between two rows of the others.
    expect((await write(version, { labels: two, samples: [at(40, 6)] })).status).toBe(204);
    expect(
      (await write(version, { labels: two, samples: [at(30, 7)] }, { labels: one, samples: [at(15, 8)] }))
        .status,
    ).toBe(204);
    expect(await raw(`${name("part")}{k=""}[2m]`)).toEqual([
      [-60, 1],
      [-45, 3],
      [-30, 4],
      [-15, 8],
    ]);
    expect(await raw(`${name("part")}{k="v"}[2m]`)).toEqual([
      [-60, 2],
      [-45, 5],
      [-40, 6],
      [-30, 7],
    ]);
    expect((await write(version, { labels: two, samples: [at(44, 9)] })).text).toContain(
      "out of order sample",
    );
  });

  test("many times of many series in one request", async () => {
    const written = Array.from({ length: 50 }, (_, index) => ({
      labels: labels(name("many"), `${index % 3}`, "k", `${index}`),
      samples: Array.from({ length: 20 }, (_unused, step) => ({
        at: now - 300_000 + step * 15_000,
        value: index * 100 + step,
      })),
    }));
    expect((await write(version, ...written)).status).toBe(204);
    const value = await series.query(`sum(count_over_time(${name("many")}[6m]))`, now);
    expect(value).toMatchObject({ samples: [{ value: 1_000 }] });
  });
});

describe("what is no remote write", () => {
  const { headers, body } = writeRequest(1, [{ labels: labels("x", "x"), samples: [{ at: 1, value: 1 }] }]);
  test.each([
    {
      what: "another message",
      change: { "content-type": "application/x-protobuf;proto=other.Message" },
      status: 415,
    },
    { what: "JSON", change: { "content-type": "application/json" }, given: Buffer.from("{}"), status: 415 },
    { what: "another packing", change: { "content-encoding": "zstd" }, status: 415 },
    { what: "no snappy", given: Buffer.from("hello"), status: 400 },
    { what: "no protobuf", given: Buffer.from(packSnappy(Buffer.from([10, 200, 1]))), status: 400 },
    { what: "a block of a gigabyte", given: Buffer.concat([varint(2 ** 30), body]), status: 400 },
    { what: "a page of another site", change: { "sec-fetch-site": "cross-site" }, status: 403 },
  ])("$what is $status", async ({ change = {}, given = body, status }) => {
    expect(
      await post("/api/v1/write", { method: "POST", headers: { ...headers, ...change }, body: given }),
    ).toMatchObject({
      status,
    });
  });

  test("nothing is fine", async () => {
    expect((await write(1)).status).toBe(204);
  });

  test("bytes of any kind are read or refused, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 100 }),
        fc.constantFrom(1 as const, 2 as const),
        async (given, version) => {
          const request = writeRequest(version, []);
          const answer = await post("/api/v1/write", { ...request, body: Buffer.from(packSnappy(given)) });
          expect([204, 400]).toContain(answer.status);
        },
      ),
      { numRuns: 300 },
    );
  });
});

test("when nothing can be taken now the sender is told when to come again", async () => {
  const door = prometheusDoor({
    series: {
      ...series,
      query: async () => ({ kind: "scalar", timestamp: 0, value: 0, warnings: [], infos: [] }),
      queryRange: async () => ({ kind: "matrix", series: [], warnings: [], infos: [] }),
      labelNames: async () => ({ items: [], truncated: false }),
      labelValues: async () => ({ items: [], truncated: false }),
      series: async () => ({ items: [], truncated: false }),
      figures: () => series.figures(),
      openWriter: () => ({
        open: () => {
          throw new OpsError("UNAVAILABLE", "samples come faster than they can be taken");
        },
        keep: async () => ({ done() {} }),
        find: () => undefined,
        announce: () => 0,
        write: async () => ({ kept: 0, refusals: [] }),
      }),
    },
    alerting: { alerts: async () => [], rules: async () => [] },
    clock: system.clock,
    version: "0.1.0",
    startedAt: now,
    ruleFiles: [],
    retention: DAY,
  });
  const other = await openTestDoors({ prometheus: door });
  try {
    const { method, headers, body } = writeRequest(1, []);
    const answer = await fetch(`${other.rest}/api/v1/write`, {
      method,
      headers: { ...headers, authorization },
      body,
    });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("5");
  } finally {
    await other.close();
  }
});

describe("remote read", () => {
  const ask = (types: readonly number[], ...matchers: readonly (readonly [number, string, string])[]) => {
    const query = Buffer.concat([
      ...[varint(1 << 3), varint(now - 60_000), varint(2 << 3), varint(now)],
      ...matchers.map(([type, name, value]) =>
        field(
          3,
          Buffer.concat([
            varint(1 << 3),
            varint(type),
            field(2, Buffer.from(name)),
            field(3, Buffer.from(value)),
          ]),
        ),
      ),
    ]);
    const accepted = types.length === 0 ? [] : [field(2, Buffer.concat(types.map(varint)))];
    return post("/api/v1/read", {
      method: "POST",
      headers: { "content-type": "application/x-protobuf", "content-encoding": "snappy" },
      body: Buffer.from(packSnappy(Buffer.concat([field(1, query), ...accepted]))),
    });
  };

  test("gives raw samples, both ends included", async () => {
    await write(1, {
      labels: labels("read", "x"),
      samples: [-61, -60, -15, 0].map((seconds) => ({ at: now + seconds * 1_000, value: seconds })),
    });
    const request = await ask([1, 0], [0, "__name__", "read"], [2, "instance", "x|y"]);
    expect(request.status).toBe(200);
    expect(request.headers.get("content-encoding")).toBe("snappy");
    const answer = await fetch(`${doors.rest}/federate?match[]=read`, { headers: { authorization } });
    expect(await answer.text()).toBe(`# TYPE read untyped\nread{instance="x",job="app"} 0 ${now}\n`);
  });

  test("chunks are not offered, and it says so", async () => {
    expect(await ask([1], [0, "__name__", "read"])).toMatchObject({
      status: 400,
      text: expect.stringContaining("only the response type SAMPLES is offered here"),
    });
  });

  test("an unknown matcher is refused", async () => {
    expect((await ask([], [9, "a", "b"])).status).toBe(400);
  });
});

test("a reader's numbers", () => {
  const reader = new WireReader(
    Buffer.concat([varint(0), varint(300), varint(1_700_000_000_000), varint(-5)]),
  );
  expect([reader.varint(), reader.varint(), reader.varint()]).toEqual([0, 300, 1_700_000_000_000]);
  expect(reader.signed()).toBeLessThanOrEqual(0);
  expect(unpackSnappy(packSnappy(Buffer.from("x")), 1)).toEqual(Buffer.from("x"));
});

test("more series than there is room for are refused, and let in when there is room again", async () => {
  const bomb = Array.from({ length: 4_000 }, (_, index) => ({
    labels: labels("bomb", "x", "k", `${index}`),
    samples: [{ at: now - 1_000, value: 1 }],
  }));
  const answer = await write(1, ...bomb);
  expect(answer.status).toBe(400);
  expect(answer.text).toMatch(/^too many series: \d+ samples refused, one of them bomb\{/);
  expect((await series.figures()).activeSeries).toBe(3_000);
  // Known series go on.
  expect(
    (await write(1, { labels: labels("v1_a", "x", "path", "/ü"), samples: [{ at: now, value: 9 }] })).status,
  ).toBe(204);
});
