import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../testing/test-database.js";
import { prepared, sql } from "./sql.js";

let fixture: TestDatabase;
beforeAll(async () => {
  fixture = await createTestDatabase();
}, 60_000);
afterAll(() => fixture.close());

test("one text has one name, and another has another", () => {
  const read = (id: number) => prepared(sql`select ${id}::int as id`);
  expect(read(1)).toMatchObject({ name: read(2).name, values: [1] });
  expect(prepared(sql`select ${1}::int as other`).name).not.toBe(read(1).name);
});

test("a table that a newer replica changes costs each connection one failure that passes", async () => {
  const { database } = fixture;
  await database.query(sql`create table outlived (id int)`);
  await database.query(sql`insert into outlived values (7)`);
  const read = () =>
    database.transaction((tx) =>
      tx.query<{ id: number }>(prepared(sql`select * from outlived where id = ${7}`)),
    );
  expect(await read()).toEqual([{ id: 7 }]);
  await database.query(sql`alter table outlived add column more text`);
  await expect(read()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(await read()).toEqual([{ id: 7, more: null }]);
});
