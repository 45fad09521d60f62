import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandId, nodeId } from "../kernel/ids.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { insertCommands, saveOutputs } from "./commands.store.js";
import type { OrderMode } from "./domain/command.js";
import { searchOutput } from "./outputs.store.js";
import { madeCommand } from "./testing/made-command.js";

let fixture: TestDatabase;
const at = Date.UTC(2026, 0, 1);
let sequences = 0;

async function printed(
  id: string,
  node: string,
  data: string | Uint8Array,
  mode: OrderMode = "run",
): Promise<void> {
  const sequence = ++sequences;
  await fixture.database.transaction(async (tx) => {
    const command = madeCommand("running", {
      id: commandId(id),
      nodeId: nodeId(`id-${node}`),
      nodeName: node,
    });
    await insertCommands(tx, [{ command, requestKey: `request-${id}` }]);
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const what = { kind: "output", stream: "stdout", offset: 0, skippedBytes: 0, data: bytes } as const;
    const event = { commandId: commandId(id), attempt: 1, sequence, at: at + sequence, mode, what };
    await saveOutputs(tx, [{ event, output: what }]);
  });
}

const wish = {
  query: "",
  node: "",
  action: "",
  commandId: "",
  since: undefined,
  until: undefined,
  limit: 10,
};
const search = async (query: string, more: Partial<typeof wish> = {}): Promise<string[]> =>
  (await searchOutput(fixture.database, { ...wish, ...more, query })).map((hit) => hit.commandId);

beforeAll(async () => {
  fixture = await createTestDatabase();
  await printed("c1", "web-1", 'deleted "/var/cache/app/old.log" 4096\n');
  await printed("c2", "db-1", "Error: the disk is full on 10.0.0.5\nnothing was done\n");
  await printed("c3", "db-1", "the disk was looked at\n");
  // A character that is cut in two, and a zero byte.
  await printed("c4", "db-1", new Uint8Array([0xc3, 0, ...new TextEncoder().encode(" broken words ")]));
  await printed("c5", "db-1", "the disk would be cleaned\n", "preview");
});
afterAll(() => fixture?.close());

describe("searching what commands printed", () => {
  test.each([
    { query: "disk", found: ["c3", "c2"] },
    { query: "DISK full", found: ["c2"] },
    { query: '"disk is full"', found: ["c2"] },
    { query: '"full disk"', found: [] },
    { query: "disk -error", found: ["c3"] },
    { query: "looked or 4096", found: ["c3", "c1"] },
    { query: "10.0.0.5", found: ["c2"] },
    { query: "/var/cache/app/old.log", found: ["c1"] },
    { query: "broken", found: ["c4"] },
    { query: "cleaned", found: [] },
    { query: "'; drop table command; --", found: [] },
  ])("$query finds $found", async ({ query, found }) => {
    expect(await search(query)).toEqual(found);
  });

  test("on one node, of one command, since and until a time, and no more than asked for", async () => {
    expect(await search("disk", { node: "web-1" })).toEqual([]);
    expect(await search("disk", { node: "id-db-1" })).toEqual(["c3", "c2"]);
    expect(await search("disk", { commandId: "c2" })).toEqual(["c2"]);
    expect(await search("disk", { action: "no-such-action" })).toEqual([]);
    expect(await search("disk", { limit: 1 })).toEqual(["c3"]);
    const bounds = await searchOutput(fixture.database, {
      ...wish,
      query: "disk",
      since: at + 3,
      until: at + 9,
    });
    expect(bounds.map((hit) => hit.commandId)).toEqual(["c3"]);
  });
});
