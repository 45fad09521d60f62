/** The journal: a changed byte is found, by everyone who asks. */
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";

let stack: Stack;
let operator: Operator;
beforeAll(async () => {
  stack = await Stack.start();
  operator = stack.operator();
  for (let i = 0; i < 5; i++) await operator.fleet().createJoinToken({ nodeName: `node-${i}` });
});
afterAll(() => stack?.stop());

test("a tampered row of the journal is found, and named", async () => {
  const before = await operator.journal().verifyJournal({});
  expect(before.intact).toBe(true);
  expect(Number(before.entries)).toBeGreaterThanOrEqual(5);
  const client = new pg.Client({
    host: join(stack.state, "postgres/run"),
    user: "mainstay",
    database: "postgres",
  });
  await client.connect();
  await client.query("update journal_entry set because = because || '.' where position = 3");
  const broken = await operator.journal().verifyJournal({});
  expect(broken).toMatchObject({ intact: false, brokenAt: 3n });
  expect(broken.because).toContain("entry 3");
  const overRest = await operator.rest("/api/mainstay/v1/journal:verify", { method: "POST", body: {} });
  expect(overRest.body).toMatchObject({ brokenAt: "3" });
  await client.query(
    "update journal_entry set because = left(because, length(because) - 1) where position = 3",
  );
  await client.end();
  expect((await operator.journal().verifyJournal({})).intact).toBe(true);
});
