import { afterAll, beforeAll, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import { silentLogger } from "../platform/logger.js";
import { Database } from "../platform/postgres/database.js";
import { systemClock, systemDraws } from "../platform/system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { Leadership } from "./fleet.module.js";

let own: TestDatabase;
const opened: { readonly leadership: Leadership; readonly database: Database }[] = [];
beforeAll(async () => {
  own = await createTestDatabase();
});
afterAll(async () => {
  for (const { leadership, database } of opened) {
    await leadership.stop().catch(() => {});
    await database.close().catch(() => {});
  }
  await own.close();
});

interface Replica {
  readonly leadership: Leadership;
  readonly database: Database;
  readonly told: string[];
}

async function open(replicaId: string, takeOver: () => Promise<void> = async () => {}): Promise<Replica> {
  const database = new Database({ url: own.url, logger: silentLogger, connectionsMax: 4 });
  const told: string[] = [];
  const leadership = new Leadership({
    database,
    system: { clock: systemClock, draws: systemDraws },
    logger: silentLogger,
    replicaId,
    takeOver: async () => {
      told.push("take over");
      await takeOver();
    },
    stepDown: () => told.push("step down"),
  });
  opened.push({ leadership, database });
  await leadership.start();
  await leadership.announce({ restUrl: `http://${replicaId}`, agents: `${replicaId}:7482` });
  return { leadership, database, told };
}

test("one of two leads; the other names it, takes over when its process ends, and the journal tells", async () => {
  const first = await open("first");
  expect(first.leadership.leads).toBe(true);
  const second = await open("second");
  expect(second.leadership.leads).toBe(false);
  await expect
    .poll(async () => {
      await second.leadership.look();
      return second.leadership.assertLeads().catch((error: Error) => error.message);
    })
    .toBe("another replica leads, at first:7482");
  expect(second.told).toEqual([]);

  // A killed process closes all of its connections and says nothing.
  const killed = performance.now();
  await first.leadership.loop.stop();
  await first.database.close();
  await second.leadership.assertLeads();
  expect(performance.now() - killed).toBeLessThan(3_000);
  expect(second.told).toEqual(["take over"]);
  const entries = await readEntries(own.database, { after: 0, limit: 10 });
  expect(entries.filter(({ kind }) => kind === "replica.leads").map(({ subject }) => subject)).toEqual([
    "replica:first",
    "replica:second",
  ]);
  await second.leadership.stop();
});

test("a leader that lost its lease unnoticed steps down, and one whose taking over fails tries again", async () => {
  let failures = 1;
  const third = await open("third", async () => {
    if (failures-- > 0) throw new Error("not yet");
  });
  await third.leadership.assertLeads();
  expect(third.told).toEqual(["take over", "take over"]);
  await own.database.query({
    text: "update lease set holder = 'someone', until = now() + interval '1 h'",
    values: [],
  });
  await third.leadership.look();
  expect(third.leadership.leads).toBe(false);
  expect(third.told.at(-1)).toBe("step down");
  expect(await own.database.transaction((tx) => third.leadership.stillLeads(tx))).toBe(false);
  await expect(third.leadership.assertLeads()).rejects.toThrow("no replica leads now");
}, 20_000);
