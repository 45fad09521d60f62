import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { HttpClient } from "../platform/http-client.js";
import { silentLogger } from "../platform/logger.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTimeSeries, type TimeSeries } from "./embedded.js";
import { type LeaderPlace, LeaderSeries } from "./leader-series.js";

const T0 = 1_800_000_000_000;
const NONE = { selectors: [], from: 0, to: T0 };

/** Another replica: says what it was asked, and answers as it is told. */
let server: Server;
let url = "";
let asked: { readonly path: string; readonly body: string; readonly authorization: string | undefined }[] =
  [];
let answer: { status: number; body: string } = { status: 200, body: "" };
let own: TimeSeries;
let place: LeaderPlace = { kind: "here" };
let series: LeaderSeries;
const http = new HttpClient();

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    asked.push({
      path: request.url ?? "",
      body: Buffer.concat(pieces).toString("latin1"),
      authorization: request.headers.authorization,
    });
    response.statusCode = answer.status;
    response.end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  own = createTimeSeries({
    database: undefined,
    system: fakeSystem(T0),
    logger: silentLogger,
    place: "in-process",
  });
  await own.start();
  series = new LeaderSeries({
    own,
    place: () => place,
    http,
    tokens: { look: async () => "may-look", write: async () => "may-write" },
  });
});
afterAll(async () => {
  await own.stop();
  http.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
  asked = [];
});

test("while this replica leads its own engine answers and takes", async () => {
  place = { kind: "here" };
  await series.append([{ labels: { __name__: "a", job: "x" }, timestampMs: T0, value: 4 }]);
  expect(await series.query("a", T0)).toMatchObject({ samples: [{ labels: { job: "x" }, value: 4 }] });
  expect((await series.labelValues("job", NONE)).items).toEqual(["x"]);
  expect(asked).toEqual([]);
});

test("while another leads it is asked, with a token that may look, and its word is given on", async () => {
  place = { kind: "there", restUrl: url };
  answer = {
    status: 200,
    body: JSON.stringify({ status: "success", data: { resultType: "scalar", result: [T0 / 1_000, "7"] } }),
  };
  expect(await series.query("scalar(b)", T0, { timeoutMs: 2_000 })).toMatchObject({
    kind: "scalar",
    value: 7,
  });
  expect(asked[0]).toMatchObject({ path: "/api/v1/query", authorization: "Bearer may-look" });
  expect(Object.fromEntries(new URLSearchParams(asked[0]?.body))).toEqual({
    query: "scalar(b)",
    time: String(T0 / 1_000),
    timeout: "2000ms",
  });
  answer = { status: 200, body: JSON.stringify({ status: "success", data: ["x", "y", "z"] }) };
  expect(await series.labelNames({ ...NONE, limit: 2 })).toEqual({ items: ["x", "y"], truncated: true });
  answer = { status: 400, body: '{"status":"error","errorType":"bad_data","error":"parse error: no"}' };
  const outcomes = await series.evaluateMany([{ key: "k", text: "(" }], T0);
  expect(outcomes.get("k")).toMatchObject({
    kind: "failed",
    error: { code: "INVALID_ARGUMENT", message: "parse error: no" },
  });
});

test("samples that come while another leads are passed on to it, and a refusal is told", async () => {
  place = { kind: "there", restUrl: url };
  answer = { status: 204, body: "" };
  const writer = series.openWriter(async () => {});
  const write = () => {
    writer.open();
    const number = writer.announce("key", ["job", "x", "__name__", "c"]);
    expect(writer.find("key")).toBe(number);
    const one = {
      count: 1,
      series: Uint32Array.of(number),
      timestamps: Float64Array.of(T0),
      values: Float64Array.of(1),
    };
    return writer.write(one);
  };
  expect(await write()).toEqual({ kept: 1, refusals: [] });
  await series.append([{ labels: { __name__: "d" }, timestampMs: T0, value: "stale" }]);
  expect(asked.map(({ path, authorization }) => [path, authorization])).toEqual([
    ["/api/v1/write", "Bearer may-write"],
    ["/api/v1/write", "Bearer may-write"],
  ]);
  answer = { status: 400, body: "out of order sample" };
  await expect(write()).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: /out of order sample/ });
  answer = { status: 503, body: "busy" };
  await expect(write()).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("while nobody leads, or the leader cannot be reached, that is said", async () => {
  place = { kind: "unknown", because: "no replica leads now: it was killed" };
  await expect(series.query("a", T0)).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: /it was killed/,
  });
  place = { kind: "there", restUrl: "http://127.0.0.1:1" };
  await expect(series.query("a", T0)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
