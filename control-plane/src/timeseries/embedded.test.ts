import { afterEach, describe, expect, test } from "vitest";
import { nodeId } from "../kernel/ids.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import type { FrameSession } from "./door.js";
import { createTimeSeries, type TimeSeries } from "./embedded.js";

const T0 = 1_800_000_000_000;
const NODE = { id: nodeId("n-1"), name: "db-1", outboxId: "box-1" };

const running: TimeSeries[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((engine) => engine.stop()));
});

async function started() {
  const system = fakeSystem(T0);
  const engine = createTimeSeries({ database: undefined, system, logger: silentLogger, place: "in-process" });
  running.push(engine);
  await engine.start();
  return { engine, clock: system.clock };
}

const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);

function announce(session: FrameSession): void {
  session.announce([
    { ref: 1, labels: ["__name__", "up", "job", "api"] },
    { ref: 2, labels: ["__name__", "load", "node", "another"] },
  ]);
  session.layout(1, [1, 2]);
}

const everything = { selectors: [], from: 0, to: T0 + HOUR };

describe("a session", () => {
  test("makes samples that queries see at once, under the node's own name", async () => {
    const { engine } = await started();
    const { session, resumeAfter } = await engine.openSession(NODE);
    announce(session);
    expect(resumeAfter).toBe(0n);
    expect(session.frame(1n, 1, T0, bytesOf(1, 2.5))).toBe("taken");
    const listed = await engine.series(everything);
    expect(listed).toEqual({
      items: [
        { __name__: "load", node: "db-1" },
        { __name__: "up", job: "api", node: "db-1" },
      ],
      truncated: false,
    });
    expect(await engine.labelValues("__name__", everything)).toEqual({
      items: ["load", "up"],
      truncated: false,
    });
    expect(await engine.labelValues("__name__", everything, "l")).toEqual({
      items: ["load"],
      truncated: false,
    });
    expect(await engine.labelNames({ ...everything, limit: 2 })).toEqual({
      items: ["__name__", "job"],
      truncated: true,
    });
    const value = await engine.query('load{node="db-1"}', T0);
    expect(value).toMatchObject({ kind: "vector", samples: [{ timestamp: T0, value: 2.5 }] });
  });

  test("asks for all names anew when a frame's layout is unknown or of another length", async () => {
    const { engine } = await started();
    const { session } = await engine.openSession(NODE);
    expect(session.frame(1n, 1, T0, bytesOf(1, 2))).toBe("unknown-layout");
    announce(session);
    expect(session.frame(1n, 1, T0, bytesOf(1))).toBe("unknown-layout");
    expect(session.frame(1n, 1, T0, bytesOf(1, 2).subarray(1))).toBe("unknown-layout");
    expect(session.frame(1n, 1, T0, bytesOf(1, 2))).toBe("taken");
    expect((await engine.figures()).framesTaken).toBe(1);
  });

  test("that comes back resumes after what was taken, and what is sent again has no effect", async () => {
    const { engine } = await started();
    const first = await engine.openSession(NODE);
    announce(first.session);
    first.session.frame(7n, 1, T0, bytesOf(1, 2));
    first.session.close();
    const second = await engine.openSession(NODE);
    expect(second.resumeAfter).toBe(7n);
    announce(second.session);
    second.session.frame(7n, 1, T0, bytesOf(1, 2));
    second.session.frame(8n, 1, T0 + 1, bytesOf(1, 2));
    expect(await engine.figures()).toMatchObject({
      framesTaken: 2,
      framesRepeated: 1,
      activeSeries: 2,
      nodes: 1,
      samples: { kept: 4, duplicate: 0 },
      samplesNotDurable: 4,
    });
    const renewed = await engine.openSession({ ...NODE, outboxId: "box-2" });
    expect(renewed.resumeAfter).toBe(0n);
  });

  test("is busy while too much is on its way, and ready when it was worked off", async () => {
    const { engine } = await started();
    const { session } = await engine.openSession(NODE);
    const refs = Array.from({ length: 20_000 }, (_, ref) => ref);
    session.announce(refs.map((ref) => ({ ref, labels: ["__name__", "m", "i", String(ref)] })));
    session.layout(1, refs);
    const values = new Uint8Array(new Float64Array(20_000).buffer);
    let sequence = 0n;
    while (session.frame(sequence + 1n, 1, T0 + Number(sequence), values) === "taken") sequence++;
    expect(session.busy).toBe(true);
    expect(Number(sequence) * values.byteLength).toBeLessThan(17 * 1024 * 1024);
    await session.ready();
    expect(session.frame(sequence + 1n, 1, T0 + Number(sequence), values)).toBe("taken");
    expect((await engine.figures()).framesTaken).toBe(Number(sequence) + 1);
  });

  test("cannot take more series than a node may have, whatever it announces", async () => {
    const { engine } = await started();
    const { session } = await engine.openSession(NODE);
    const refs = Array.from({ length: 20_010 }, (_, ref) => ref);
    session.announce(refs.map((ref) => ({ ref, labels: ["__name__", "m", "i", String(ref)] })));
    session.announce([{ ref: 4_000_000_000, labels: ["__proto__", "x"] }]);
    session.layout(1, [...refs, 4_000_000_000, 5]);
    session.frame(1n, 1, T0, new Uint8Array(new Float64Array(20_012).buffer));
    const { samples, activeSeries } = await engine.figures();
    expect(activeSeries).toBe(20_000);
    expect(samples).toMatchObject({
      kept: 20_000,
      "node-series-limit": 10,
      "label-name": 1,
      "repeated-series": 1,
    });
  });
});

describe("the control plane's own samples", () => {
  test("are seen by the next query, series come and go", async () => {
    const { engine } = await started();
    const up = (node: string, value: number, at: number) => ({
      labels: { __name__: "up", job: "mainstay-agent", node },
      timestampMs: at,
      value,
    });
    await engine.append([up("a", 1, T0), up("b", 1, T0)]);
    await engine.append([up("b", 0, T0 + 15 * SECOND), up("c", 1, T0 + 15 * SECOND)]);
    const value = await engine.query("up", T0 + 15 * SECOND);
    const found = value.kind === "vector" ? value.samples.map((s) => [s.labels["node"], s.value]) : [];
    expect(found.sort()).toEqual([
      ["a", 1],
      ["b", 0],
      ["c", 1],
    ]);
    await engine.append([{ labels: { job: "nameless" }, timestampMs: T0, value: 1 }]);
    expect((await engine.figures()).samples).toMatchObject({ kept: 4, "metric-name": 1 });
  });
});

describe("queries", () => {
  test("over a range give a matrix", async () => {
    const { engine } = await started();
    await engine.append(
      Array.from({ length: 5 }, (_, i) => ({
        labels: { __name__: "m" },
        timestampMs: T0 + i * MINUTE,
        value: i,
      })),
    );
    const value = await engine.queryRange("m", T0, T0 + 4 * MINUTE, MINUTE);
    expect(value.series.map((s) => [...s.values])).toEqual([[0, 1, 2, 3, 4]]);
  });

  test.each([
    { expr: "sum(", code: "INVALID_ARGUMENT", message: /^1:5: parse error: / },
    { expr: '{__name__=~"a("}', code: "INVALID_ARGUMENT", message: /error parsing regexp/ },
  ])("of a bad expression $expr fail with $code and Prometheus' message", async ({ expr, code, message }) => {
    const { engine } = await started();
    await expect(engine.query(expr, T0)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    const many = await engine.evaluateMany(
      [
        { key: "good", text: "1" },
        { key: "bad", text: expr },
      ],
      T0,
    );
    expect([...many.keys()]).toEqual(["good", "bad"]);
    expect(many.get("good")).toMatchObject({ kind: "value", value: { kind: "scalar", value: 1 } });
    expect(many.get("bad")).toMatchObject({ kind: "failed", error: { code } });
  });

  test.each([
    { what: "a step of nothing", from: 0, to: 1, stepMs: 0, message: /zero or negative query resolution/ },
    {
      what: "an end before the start",
      from: 1,
      to: 0,
      stepMs: 1,
      message: /end timestamp must not be before start/,
    },
    {
      what: "11,001 steps",
      from: 0,
      to: 11_001,
      stepMs: 1,
      message: /exceeded maximum resolution of 11,000 points/,
    },
  ])("over a range with $what are refused", async ({ from, to, stepMs, message }) => {
    const { engine } = await started();
    await expect(engine.queryRange("m", from, to, stepMs)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(message),
    });
  });

  test("stop when the caller goes away", async () => {
    const { engine } = await started();
    const caller = new AbortController();
    const answer = engine.query("m", T0, { signal: caller.signal });
    caller.abort();
    await expect(answer).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(engine.query("m", T0, { signal: caller.signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
  });
});

test("a stopped engine says so, and its sessions are told", async () => {
  const { engine } = await started();
  const { session } = await engine.openSession(NODE);
  const told: string[] = [];
  session.onLost((because) => told.push(because));
  await engine.stop();
  expect(told).toEqual(["the control plane stops"]);
  expect(engine.health()).toEqual({ kind: "down", because: "the time series engine is stopped" });
  await expect(session.ready()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect(engine.query("1", T0)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
