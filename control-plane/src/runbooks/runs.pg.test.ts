import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readEntries, verifyJournal } from "../journal/journal.module.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { inProcessLive } from "../platform/redis/live.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import type { Run } from "./domain/run.js";
import type { Hand } from "./hand.js";
import { RunDesk } from "./run-desk.js";
import { Runner } from "./runs.loop.js";
import { readRun, readRuns } from "./runs.store.js";
import { readRunbookText, Shelf, shelve } from "./shelf.js";

const ANN = { kind: "human", name: "ann" } as const;
const BOB = { kind: "human", name: "bob" } as const;
const NINE = Date.parse("2026-11-23T09:00:00Z");
const TEXT = `name: check
summary: s
owner: o
lastReviewed: 2026-11-01
schedule: { cron: "0 9 * * *", timeZone: UTC }
steps:
  - { id: up, summary: s, query: up, expect: some }
`;
const ASKS = `name: asks
summary: s
owner: o
lastReviewed: 2026-11-01
parameters: { count: { type: integer, summary: s, min: 1, max: 3 } }
steps:
  - { id: up, summary: s, query: up > $count, expect: some }
  - { id: agree, summary: s, approval: { reason: why } }
`;

let fixture: TestDatabase;
const system = fakeSystem(NINE - HOUR);
let desk: RunDesk;
let runners: readonly Runner[];
let fails = false;
const asked: string[] = [];

/** A shelf with these texts, as if they had been read. */
class Texts extends Shelf {
  readonly #books;
  constructor(texts: readonly string[]) {
    super({ paths: [], clock: system.clock, logger: silentLogger });
    const read = texts.map((text, index) => readRunbookText(`${index}.yaml`, text));
    this.#books = shelve(read.flatMap((one) => ("value" in one ? [one.value] : []))).books;
  }
  override get books() {
    return this.#books;
  }
}
const nobody = async (): Promise<never> => {
  throw new Error("no machine is asked for in these runbooks");
};
const hand: Hand = { request: nobody, command: nobody, cancel: nobody, find: nobody, undo: nobody };

beforeAll(async () => {
  fixture = await createTestDatabase();
  const { database } = fixture;
  const live = inProcessLive();
  const shelf = new Texts([TEXT, ASKS]);
  desk = new RunDesk({ database, live, system, shelf });
  const query = async (expr: string) => {
    asked.push(expr);
    if (fails) throw new Error("no engine");
    return {
      kind: "vector",
      samples: [{ labels: {}, timestamp: 0, value: 1 }],
      warnings: [],
      infos: [],
    } as const;
  };
  const make = (): Runner =>
    new Runner({
      database,
      desk,
      hand,
      shelf,
      query,
      mayLead: () => true,
      live,
      system,
      logger: silentLogger,
    });
  runners = [make(), make()];
}, 60_000);
afterAll(() => fixture.close());

const beat = async (): Promise<void> => {
  const signal = new AbortController().signal;
  await Promise.all(runners.map((runner) => runner.run(system.clock.now(), signal)));
};
const kinds = async ({ id }: Run): Promise<readonly string[]> =>
  (await readEntries(fixture.database, { subject: `run:${id}`, limit: 99 })).map(({ kind }) => kind);
const start = (requestId: string, more: object = {}) =>
  desk.start({
    requestId,
    runbook: "asks",
    parameters: { count: 1 },
    dryRun: false,
    requestedBy: ANN,
    roles: ["operator"],
    reason: "why",
    traceparent: "",
    ...more,
  });

describe("a scheduled runbook", () => {
  test("runs once at its moment, however many replicas look, and is not made up for from before it was known", async () => {
    await beat();
    expect(await readRuns(fixture.database, { limit: 9 })).toEqual([]);
    system.clock.set(NINE + 20 * SECOND);
    for (let i = 0; i < 3; i++) await beat();
    const runs = await readRuns(fixture.database, { runbook: "check", limit: 9 });
    expect(runs.map(({ state, requestedBy }) => [state, requestedBy.kind])).toEqual([
      ["succeeded", "schedule"],
    ]);
    expect(await kinds(runs[0] as Run)).toEqual([
      "runbook.started",
      "runbook.step-running",
      "runbook.step-succeeded",
      "runbook.succeeded",
    ]);
    system.clock.advance(30 * MINUTE);
    await beat();
    expect(await readRuns(fixture.database, { runbook: "check", limit: 9 })).toHaveLength(1);
  });
});

describe("a run", () => {
  test("asked for twice is one; another under the same request id is refused; parameters are checked", async () => {
    const [one, two] = await Promise.all([start("same"), start("same")]);
    expect(one.id).toBe(two.id);
    await expect(start("same", { dryRun: true })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(start("x", { runbook: "none" })).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(start("x", { parameters: { count: 9 } })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test("waits for an engine that is away, then for a person, and takes their word once", async () => {
    fails = true;
    const { id } = await start("waits");
    await beat();
    expect((await readRun(fixture.database, id))?.steps["up"]?.because).toBe("no engine");
    fails = false;
    await beat();
    expect(asked.at(-1)).toBe("up > 1");
    expect((await readRun(fixture.database, id))?.state).toBe("waiting");
    await expect(desk.decide(id, "agree", true, ANN, ["admin"], "")).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    const words = await Promise.allSettled(
      [1, 2].map(() => desk.decide(id, "agree", true, BOB, ["approver"], "fine")),
    );
    expect(words.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await beat();
    const ended = await readRun(fixture.database, id);
    expect([ended?.state, ended?.steps["agree"]?.decidedBy]).toEqual(["succeeded", BOB]);
    await expect(desk.cancel(id, ANN, "late")).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
    expect((await verifyJournal(fixture.database)).kind).toBe("intact");
  });

  test("is listed newest first, page by page", async () => {
    const all = await readRuns(fixture.database, { limit: 100 });
    const [first] = await readRuns(fixture.database, { limit: 1 });
    const before = { startedAt: first?.startedAt ?? 0, id: first?.id ?? "" };
    const rest = await readRuns(fixture.database, { limit: 100, before });
    expect([first, ...rest].map((run) => run?.id)).toEqual(all.map(({ id }) => id));
  });
});
