import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeId } from "../kernel/ids.js";
import { silentLogger } from "../platform/logger.js";
import { system } from "../platform/system.js";
import { createTimeSeries as createEngine, createTimeSeries, type TimeSeries } from "./embedded.js";

let directory: string;
let workerUrl: URL;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mainstay-worker-"));
  const outfile = join(directory, "worker.mjs");
  await build({
    entryPoints: [new URL("./worker.ts", import.meta.url).pathname],
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["source"],
    outfile,
    logLevel: "error",
  });
  workerUrl = pathToFileURL(outfile);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer);

async function on<T>(url: URL, work: (engine: TimeSeries) => Promise<T>): Promise<T> {
  const engine = createEngine({ database: undefined, system, logger: silentLogger, workerUrl: url });
  await engine.start();
  try {
    return await work(engine);
  } finally {
    await engine.stop();
  }
}

describe("the engine on a thread of its own", () => {
  test("takes frames and answers", async () => {
    await on(workerUrl, async (engine) => {
      const now = system.clock.now();
      const { session } = await engine.openSession({ id: nodeId("n"), name: "db-1", outboxId: "b" });
      session.announce([{ ref: 1, labels: ["__name__", "load"] }]);
      session.layout(1, [1]);
      for (let i = 0; i < 100; i++) session.frame(BigInt(i + 1), 1, now - 100 + i, bytesOf(i));
      expect(await engine.query("load", now)).toMatchObject({
        kind: "vector",
        samples: [{ labels: { __name__: "load", node: "db-1" }, value: 99 }],
      });
      const { inFlightBytes, framesTaken } = await engine.figures();
      expect({ inFlightBytes, framesTaken }).toEqual({ inFlightBytes: 0, framesTaken: 100 });
    });
  });

  test("gives up a query that takes too long, and works on", async () => {
    await on(workerUrl, async (engine) => {
      const now = system.clock.now();
      await engine.append(
        Array.from({ length: 3_000 }, (_, i) => ({
          labels: { __name__: "m", i: String(i) },
          timestampMs: now - 1_000,
          value: i,
        })),
      );
      const slow = engine.queryRange("sum(m) by (i)", now - 10_000_000, now, 1_000, { timeoutMs: 50 });
      await expect(slow).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
      expect(await engine.query("count(m)", now)).toMatchObject({ samples: [{ value: 3_000 }] });
    });
  });

  test("is started again when its thread dies, and sessions and callers are told", async () => {
    // A thread that lives long enough to be used, and ends by itself.
    const { writeFile } = await import("node:fs/promises");
    const dying = join(directory, "dying.mjs");
    await writeFile(
      dying,
      `import ${JSON.stringify(workerUrl.href)};\nsetTimeout(() => { throw new Error("out of luck"); }, 300);\n`,
    );
    const engine = createTimeSeries({
      database: undefined,
      system,
      logger: silentLogger,
      workerUrl: pathToFileURL(dying),
    });
    await engine.start();
    try {
      const { session } = await engine.openSession({ id: nodeId("n"), name: "db-1", outboxId: "b" });
      const because = await new Promise<string>((resolve) => session.onLost(resolve));
      expect(because).toContain("out of luck");
      await expect(session.ready()).rejects.toMatchObject({ code: "UNAVAILABLE" });
      await expect
        .poll(
          () =>
            engine.query("1", 1).then(
              (value) => value.kind,
              () => "away",
            ),
          { timeout: 10_000 },
        )
        .toBe("scalar");
      expect((await engine.figures()).restarts).toBeGreaterThan(0);
    } finally {
      await engine.stop();
    }
  });
});
