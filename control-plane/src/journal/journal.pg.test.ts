import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SYSTEM } from "../kernel/actor.js";
import { sql } from "../platform/postgres/sql.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { consumeOnce } from "./consume.js";
import type { NewEntry } from "./domain/entry.js";
import { appendEntries, readEntries, verifyJournal } from "./journal.store.js";

let fixture: TestDatabase;
beforeAll(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterAll(() => fixture.close());

const entry = (kind: string, subject: string, facts: NewEntry["facts"] = {}): NewEntry => ({
  at: 1_700_000_000_123.7,
  kind,
  subject,
  actor: SYSTEM,
  because: "a test said so",
  facts,
});
const append = (...entries: NewEntry[]) => fixture.database.transaction((tx) => appendEntries(tx, entries));

describe("the journal", () => {
  test("numbers entries without gaps, also when many append at once", async () => {
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        append(entry("node.live", `node:${i}`), entry("node.lost", `node:${i}`)),
      ),
    );
    const entries = await readEntries(fixture.database, { limit: 1_000 });
    expect(entries.map((e) => e.position)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(await verifyJournal(fixture.database)).toMatchObject({ kind: "intact", head: { position: 40 } });
  });

  test("a transaction that fails leaves no entry and no gap", async () => {
    const failing = fixture.database.transaction(async (tx) => {
      await appendEntries(tx, [entry("node.live", "node:x")]);
      throw new Error("changed my mind");
    });
    await expect(failing).rejects.toThrow("changed my mind");
    const [next] = await append(entry("alert.fired", "alert:1"));
    expect(next?.position).toBe(41);
  });

  test("lists by subject, by kind, by family of kinds, and from the tail", async () => {
    await append(entry("alert.resolved", "alert:1"), entry("alertness.tested", "alert:2"));
    const kinds = async (kind: string) =>
      (await readEntries(fixture.database, { kind, limit: 10 })).map((e) => e.kind);
    expect(await kinds("alert.")).toEqual(["alert.fired", "alert.resolved"]);
    expect(await kinds("alert.fired")).toEqual(["alert.fired"]);
    expect(await kinds("alert")).toEqual([]);
    expect(
      (await readEntries(fixture.database, { subject: "alert:1", limit: 10 })).map((e) => e.position),
    ).toEqual([41, 42]);
    expect((await readEntries(fixture.database, { tail: true, limit: 2 })).map((e) => e.position)).toEqual([
      42, 43,
    ]);
  });

  test("keeps odd texts and numbers so that they verify", async () => {
    await append(
      entry("node.live", 'node:"\0\ud800é', { "a\u2028b": [1e21, -0, 0.1, null, { z: 1, a: "\0" }] }),
    );
    expect((await verifyJournal(fixture.database)).kind).toBe("intact");
  });

  test("hands each entry to a consumer once; a failure hands it again", async () => {
    const seen: number[] = [];
    let fail = true;
    const consumer = {
      name: "a-test",
      kind: "alert.",
      take: async (_: unknown, e: { position: number }) => {
        if (e.position === 42 && fail) throw new Error("not yet");
        seen.push(e.position);
      },
    };
    await expect(consumeOnce(fixture.database, consumer)).rejects.toThrow("not yet");
    fail = false;
    seen.length = 0;
    expect(await consumeOnce(fixture.database, consumer)).toBe(2);
    expect(await consumeOnce(fixture.database, consumer)).toBe(0);
    expect(seen).toEqual([41, 42]);
  });

  test.each([
    ["a changed fact", sql`update journal_entry set facts = '{"a":2}' where position = 7`, 7],
    ["a changed reason", sql`update journal_entry set because = 'another' where position = 7`, 7],
    ["a moved time", sql`update journal_entry set at = at + interval '1 ms' where position = 7`, 7],
    ["another actor", sql`update journal_entry set actor_name = 'mallory' where position = 7`, 7],
    ["facts that are no JSON", sql`update journal_entry set facts = '{' where position = 7`, 7],
    ["a missing entry", sql`delete from journal_entry where position = 7`, 7],
  ])("verify finds %s", async (_, tamper, at) => {
    const rollback = new Error("undo");
    const work = fixture.database.transaction(async (tx) => {
      await tx.query(tamper);

      expect(await verifyJournal(tx)).toMatchObject({ kind: "broken", at });
      throw rollback;
    });
    await expect(work).rejects.toBe(rollback);
  });
});
