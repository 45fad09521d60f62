import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { nodeId } from "../kernel/ids.js";
import { DAY, HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { Database } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { ChunkStore } from "./chunks.store.js";
import { createTimeSeries, type TimeSeries } from "./embedded.js";
import { dayOf } from "./hot-chunks.js";

const NODE = { id: nodeId("n-1"), name: "db-1", outboxId: "box-1" };
const INTERVAL = 15 * SECOND;
// Shortly after midnight, so that the hot window lies in two partitions.
const T0 = 20_800 * DAY + 10 * MINUTE;

let fixture: TestDatabase;
const running: TimeSeries[] = [];

beforeAll(async () => {
  fixture = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((engine) => engine.stop()));
  await fixture.database.query(sql`truncate metric_chunk, metric_layout, metric_position`);
});
afterAll(() => fixture.close());

async function started(at: number, database: Database = fixture.database) {
  const system = fakeSystem(at);
  const engine = createTimeSeries({ database, system, logger: silentLogger, place: "in-process" });
  running.push(engine);
  await engine.start();
  const durable: [string, string, bigint][] = [];
  engine.onDurable((node, outbox, through) => durable.push([node, outbox, through]));
  return { engine, clock: system.clock, durable };
}

const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);

async function opened(engine: TimeSeries) {
  const { session, resumeAfter } = await engine.openSession(NODE);
  session.announce([
    { ref: 1, labels: ["__name__", "a"] },
    { ref: 2, labels: ["__name__", "b", "job", "x"] },
  ]);
  session.layout(1, [1, 2]);
  return { session, resumeAfter };
}

async function pointsOf(engine: TimeSeries, expr: string, at: number): Promise<number[][]> {
  const value = await engine.query(expr, at);
  return value.kind === "matrix" ? value.series.map((series) => [...series.values]) : [];
}

/** The machine may be busy. */
const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 20_000 });

describe("chunks", () => {
  test("are written when they have waited, and only then the agent is told to forget", async () => {
    const { engine, clock, durable } = await started(T0);
    const { session } = await opened(engine);
    for (let i = 0; i < 8; i++) {
      session.frame(BigInt(i + 1), 1, T0 + i * INTERVAL, bytesOf(i, i));
      await engine.figures();
      if (i < 7) clock.advance(INTERVAL);
    }
    clock.advance(14 * SECOND);
    expect(await engine.figures()).toMatchObject({ chunksWritten: 0, samplesNotDurable: 16 });
    expect(durable).toEqual([]);
    clock.advance(6 * SECOND);
    await eventually(() => durable).toEqual([["n-1", "box-1", 8n]]);
    expect(await engine.figures()).toMatchObject({
      chunksWritten: 1,
      samplesNotDurable: 0,
      chunkWriteFailures: 0,
    });
    expect(engine.health()).toEqual({ kind: "ok" });
  });

  test("bring the hot window back after a restart, without a gap and without a double", async () => {
    const from = T0 - 50 * MINUTE;
    const first = await started(T0);
    const one = await opened(first.engine);
    for (let i = 0; i < 200; i++) one.session.frame(BigInt(i + 1), 1, from + i * INTERVAL, bytesOf(i, i / 7));
    await first.engine.append([{ labels: { __name__: "up", node: "db-1" }, timestampMs: T0, value: 1 }]);
    const before = await pointsOf(first.engine, '{__name__=~"a|b|up"}[60m]', T0);
    expect(before.map((points) => points.length)).toEqual([200, 200, 1]);
    await first.engine.stop();

    const second = await started(T0 + MINUTE);
    expect(await pointsOf(second.engine, '{__name__=~"a|b|up"}[60m]', T0)).toEqual(before);
    const two = await opened(second.engine);
    expect(two.resumeAfter).toBe(200n);
    two.session.frame(200n, 1, from + 199 * INTERVAL, bytesOf(199, 199 / 7));
    two.session.frame(201n, 1, from + 200 * INTERVAL, bytesOf(200, 200 / 7));
    expect(await second.engine.figures()).toMatchObject({
      framesRepeated: 1,
      framesTaken: 1,
      samplesNotDurable: 2,
    });
    expect((await pointsOf(second.engine, "a[60m]", T0 + MINUTE))[0]).toEqual(
      Array.from({ length: 201 }, (_, i) => i),
    );
  });

  test("answer queries from before the hot window, joined with what is in it", async () => {
    const first = await started(T0);
    const one = await opened(first.engine);
    for (let i = 0; i < 120; i++) one.session.frame(BigInt(i + 1), 1, T0 - HOUR + i * 30_000, bytesOf(i, -i));
    await first.engine.stop();
    const later = T0 + 3 * HOUR;
    const { engine } = await started(later);
    const { session } = await opened(engine);
    session.frame(121n, 1, later, bytesOf(120, -120));
    expect((await pointsOf(engine, "a[5h]", later))[0]).toEqual(Array.from({ length: 121 }, (_, i) => i));
    expect((await pointsOf(engine, 'a{node="db-1"}[5h]', later))[0]).toHaveLength(121);
    expect(await pointsOf(engine, 'a{node="db-2"}[5h]', later)).toEqual([]);
    const range = await engine.queryRange("b", T0 - HOUR, T0 - HOUR + 5 * MINUTE, MINUTE);
    expect(range.series.map((series) => [...series.values])).toEqual([[-0, -2, -4, -6, -8, -10]]);
    const many = await engine.evaluateMany(
      [
        { key: "cold", text: "count_over_time(a[5h])" },
        { key: "hot", text: "a" },
      ],
      later,
    );
    expect(many.get("cold")).toMatchObject({ value: { samples: [{ value: 121 }] } });
    expect(many.get("hot")).toMatchObject({ value: { samples: [{ value: 120 }] } });
  });

  test("wait in memory, unacknowledged, while PostgreSQL cannot take them, and are written when it can", async () => {
    const database = new Database({ url: fixture.url, logger: silentLogger });
    const { engine, clock, durable } = await started(T0, database);
    const { session } = await opened(engine);
    session.frame(1n, 1, T0, bytesOf(1, 1));
    await engine.figures();
    await fixture.database.query(sql`alter table metric_position rename to metric_position_away`);
    try {
      clock.advance(2 * MINUTE + 5 * SECOND);
      await eventually(() => engine.health().kind).toBe("degraded");
      expect(engine.health()).toMatchObject({
        because: expect.stringMatching(/^samples are kept in memory only and not acknowledged: /),
      });
      expect(durable).toEqual([]);
      expect(await engine.figures()).toMatchObject({ samplesNotDurable: 2, chunksWritten: 0 });
      const chunks = await fixture.database.query(sql`select 1 from metric_chunk`);
      expect(chunks).toEqual([]);
    } finally {
      await fixture.database.query(sql`alter table metric_position_away rename to metric_position`);
    }
    clock.advance(5 * SECOND);
    await eventually(() => durable).toEqual([["n-1", "box-1", 1n]]);
    expect(engine.health()).toEqual({ kind: "ok" });
    await engine.stop();
    await database.close();
  });

  test.each([
    { what: "bytes are no chunk", damage: sql`update metric_chunk set coding = 0, parts = '\\x0101'` },
    { what: "names are missing", damage: sql`delete from metric_layout` },
    {
      what: "names are of another layout",
      damage: sql`update metric_layout set coding = 0, names = '[["__name__","z"]]'`,
    },
  ])("whose $what are left out at the start and fail a query that needs them", async ({ damage }) => {
    const first = await started(T0);
    const one = await opened(first.engine);
    one.session.frame(1n, 1, T0 - 30 * MINUTE, bytesOf(1, 2));
    await first.engine.stop();
    await fixture.database.query(damage);
    const second = await started(T0);
    expect(await pointsOf(second.engine, "a[1h]", T0)).toEqual([]);
    await expect(second.engine.openSession(NODE)).resolves.toMatchObject({ resumeAfter: 1n });
    const third = await started(T0 + 2 * HOUR);
    await expect(third.engine.query("a[5h]", T0 + 2 * HOUR)).rejects.toMatchObject({ code: "DATA_LOSS" });
  });
});

describe("partitions", () => {
  test("are made and dropped while chunks are written, and neither waits for ever for the other", async () => {
    const writer = new ChunkStore(fixture.database);
    const day = dayOf(T0);
    const item = {
      node: "n-1",
      name: "db-1",
      outboxId: "box-1",
      fromSequence: 1,
      throughSequence: 1,
      chunk: { from: T0, to: T0, samples: 1, digests: ["d"], names: [["d", "[]"]], parts: Uint8Array.of(0) },
    } as const;
    const written = Array.from({ length: 40 }, () => writer.write([item]));
    const altered = Array.from({ length: 20 }, async (_, index) => {
      const other = new ChunkStore(fixture.database);
      await other.ensureDays([day - 40 - (index % 3), day - 30]);
      await other.dropDaysBefore(day - 35);
    });
    expect(await Promise.all(written)).toHaveLength(40);
    await Promise.all(altered);
  });

  test("past the retention are dropped, with the names that only they used", async () => {
    const store = new ChunkStore(fixture.database);
    const day = dayOf(T0);
    await store.ensureDays([day - 16, day - 15, day]);
    // Twice, as two replicas would.
    await new ChunkStore(fixture.database).ensureDays([day - 16, day]);
    const { engine } = await started(T0);
    await expect
      .poll(
        () => engine.loops.find((loop) => loop.status.name === "metric-retention")?.status.lastSucceededAt,
      )
      .toBe(T0);
    const rows = await fixture.database.query<{ name: string }>(sql`
      select relname as name from pg_class where relkind = 'r' and relname like 'metric\\_%\\_2%' order by relname`);
    const days = [day - 15, day - 1, day, day + 1];
    expect(rows.map((row) => row.name)).toEqual([
      ...days.map((d) => `metric_chunk_${d}`),
      ...days.map((d) => `metric_layout_${d}`),
    ]);
  });
});
