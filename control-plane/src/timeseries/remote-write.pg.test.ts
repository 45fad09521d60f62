/** Chunks that are written on to another engine: each sample once, in order, whatever the engine answers. */
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HttpClient } from "../platform/http-client.js";
import { silentLogger } from "../platform/logger.js";
import { systemClock, systemDraws } from "../platform/system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { ChunkStore } from "./chunks.store.js";
import { createTimeSeries, type TimeSeries } from "./embedded.js";
import { RemoteWriter } from "./remote-write.loop.js";

const system = { clock: systemClock, draws: systemDraws };

let own: TestDatabase;
let server: Server;
let url: URL;
/** Statuses to answer with; 204 when there are none left. */
let answers: number[];
let bodies: number[];
let leads: boolean;
let engine: TimeSeries;
const http = new HttpClient();

beforeEach(async () => {
  own = await createTestDatabase();
  answers = [];
  bodies = [];
  leads = true;
  server = createServer(async (request, response) => {
    let bytes = 0;
    for await (const piece of request as AsyncIterable<Buffer>) bytes += piece.length;
    const status = answers.shift() ?? 204;
    if (status === 204) bodies.push(bytes);
    response.statusCode = status;
    response.end(status === 400 ? "out of order sample" : "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = new URL(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/api/v1/write`);
  engine = createTimeSeries({
    database: own.database,
    system,
    logger: silentLogger,
    place: "in-process",
    chunkAfter: 1,
  });
  await engine.start();
});
afterEach(async () => {
  await engine.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await own.close();
});

const openWriter = (): RemoteWriter =>
  new RemoteWriter({
    database: own.database,
    chunks: new ChunkStore(own.database),
    system,
    logger: silentLogger,
    http,
    url,
    headers: async () => ({}),
    leads: () => leads,
    mayWrite: async () => leads,
  });

/** Appends one sample of each of `series` series and waits until it is a chunk. */
async function chunkOf(series: number): Promise<void> {
  const timestampMs = system.clock.now();
  await engine.append(
    Array.from({ length: series }, (_, index) => ({
      labels: { __name__: "a", i: String(index) },
      timestampMs,
      value: index,
    })),
  );
  await expect.poll(async () => (await engine.figures()).samplesNotDurable, { timeout: 20_000 }).toBe(0);
}

const run = (writer: RemoteWriter, withinMs = 30_000): Promise<void> =>
  writer.write(AbortSignal.timeout(withinMs));

describe("chunks", () => {
  test("are written from the first look on, counted, and go on where another replica stopped", async () => {
    await chunkOf(3);
    const first = openWriter();
    await run(first);
    expect(bodies).toEqual([]);
    await chunkOf(5);
    await run(first);
    expect(first.figures).toMatchObject({ samplesTaken: 5, samplesRefused: 0, chunksWaiting: 0 });
    const second = openWriter();
    await chunkOf(2);
    await run(second);
    expect(second.figures).toMatchObject({ samplesTaken: 7, samplesRefused: 0 });
    expect(bodies).toHaveLength(2);
  }, 60_000);

  test("that are refused are counted and left behind; what cannot be taken now is sent again", async () => {
    const writer = openWriter();
    await run(writer);
    await chunkOf(4);
    answers = [503, 429, 400];
    await run(writer);
    expect(writer.figures).toMatchObject({ samplesTaken: 0, samplesRefused: 4, requests: 3 });
    await chunkOf(6);
    answers = [500];
    await run(writer);
    expect(writer.figures).toMatchObject({ samplesTaken: 6, samplesRefused: 4, failuresInRow: 0 });
    expect(writer.figures.because).toBeUndefined();
  }, 60_000);

  test("wait while the engine is away, and while another replica leads nothing is written or moved", async () => {
    const writer = openWriter();
    await run(writer);
    await chunkOf(3);
    answers = Array.from({ length: 50 }, () => 503);
    await run(writer, 1_500);
    expect(writer.figures).toMatchObject({
      samplesTaken: 0,
      samplesRefused: 0,
      chunksWaiting: 1,
      samplesWaiting: 3,
    });
    expect(writer.figures.because).toBe("the engine answered HTTP 503");
    expect(writer.figures.chunksLost).toBe(0);
    await own.database.query({ text: "delete from metric_chunk", values: [] });
    await chunkOf(2);
    await run(writer, 1_500);
    expect(writer.figures).toMatchObject({ chunksLost: 1, chunksWaiting: 1, samplesWaiting: 2 });
    answers = [];
    leads = false;
    await run(writer);
    expect(bodies).toEqual([]);
    leads = true;
    await run(writer);
    expect(writer.figures).toMatchObject({ samplesTaken: 2, chunksLost: 1, chunksWaiting: 0 });
  }, 60_000);
});
