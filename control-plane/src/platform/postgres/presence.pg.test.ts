import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../logger.js";
import { createTestDatabase, type TestDatabase } from "../testing/test-database.js";
import { Database } from "./database.js";
import { holdLease, releaseLease } from "./lease.js";
import { keepPresence } from "./presence.js";
import { sql } from "./sql.js";

let own: TestDatabase;
beforeAll(async () => {
  own = await createTestDatabase();
});
afterAll(() => own.close());

const another = (): Database => new Database({ url: own.url, logger: silentLogger, connectionsMax: 2 });

async function untilTaken(name: string, by: string): Promise<number> {
  const started = performance.now();
  while (performance.now() - started < 5_000) {
    const lease = await holdLease(own.database, name, by, 60_000);
    if (lease !== undefined) return performance.now() - started;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the lease was not to be had");
}

test("a lease of a holder that keeps no presence lasts until its time is over", async () => {
  await holdLease(own.database, "plain", "a", 60_000);
  expect(await holdLease(own.database, "plain", "b", 60_000)).toBeUndefined();
});

test("a lease that ran out goes on as it was for its holder, unless another had it in between", async () => {
  const first = await holdLease(own.database, "slow", "a", 60_000);
  await releaseLease(own.database, "slow", "a");
  const again = await holdLease(own.database, "slow", "a", 60_000);
  expect(again?.generation).toBe(first?.generation);
  await releaseLease(own.database, "slow", "a");
  const other = await holdLease(own.database, "slow", "b", 60_000);
  expect(other?.generation).toBe((first?.generation ?? 0) + 1);
  await releaseLease(own.database, "slow", "b");
  const back = await holdLease(own.database, "slow", "a", 60_000);
  expect(back?.generation).toBe((first?.generation ?? 0) + 2);
});

test("a lease of a holder whose session has ended passes on at once, with a higher generation", async () => {
  const dying = another();
  await keepPresence(dying, "dying");
  const first = await holdLease(own.database, "work", "dying", 60_000);
  expect(await holdLease(own.database, "work", "next", 60_000)).toBeUndefined();
  // As a kill does: all of its connections close, and nothing is said.
  await dying.close();
  expect(await untilTaken("work", "next")).toBeLessThan(2_000);
  const taken = await holdLease(own.database, "work", "next", 60_000);
  expect(taken?.generation).toBe((first?.generation ?? 0) + 1);
});

test("a session that PostgreSQL ends is opened again, and the lease can be kept", async () => {
  const living = another();
  const letGo = await keepPresence(living, "living");
  await holdLease(own.database, "kept", "living", 60_000);
  await own.database.query(
    sql`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'mainstay-presence' and datname = current_database()`,
  );
  // Until its lock is back a rival might have had the lease; from then on it is kept.
  const locks = async (): Promise<number> =>
    (
      await own.database.query(sql`
        select 1 from pg_locks where locktype = 'advisory' and classid = 7301009
          and database = (select oid from pg_database where datname = current_database())`)
    ).length;
  await expect.poll(locks, { timeout: 5_000 }).toBe(0);
  await expect.poll(locks, { timeout: 5_000 }).toBe(1);
  expect((await holdLease(own.database, "kept", "living", 60_000))?.holder).toBe("living");
  expect(await holdLease(own.database, "kept", "rival", 60_000)).toBeUndefined();
  await releaseLease(own.database, "kept", "living");
  await letGo();
  await living.close();
});
