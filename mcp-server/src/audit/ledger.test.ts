import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type House, openHouse, textOf } from "../testing/house.js";
import { digestOfArguments, outcomeOf } from "./call-record.js";

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());
beforeEach(() => {
  house.fake.journalled.length = 0;
  house.fake.journalWrites = true;
  house.fake.commands.clear();
  house.fake.nodes = [{ nodeId: "n-1", name: "db-1", actions: ["clean-directory"] }];
});

async function written(count: number): Promise<typeof house.fake.journalled> {
  for (let i = 0; i < 200 && house.fake.journalled.length < count; i++)
    await new Promise((resolve) => setTimeout(resolve, 25));
  return house.fake.journalled;
}

const CHANGE = {
  node: "db-1",
  action: "clean-directory",
  arguments: { path: "/x" },
  reason: "hunter2-secret",
};

test.each(["2025-11-25", "2026-07-28"] as const)(
  "a read of %s is written once it is answered, as its caller's",
  async (era) => {
    const client = await house.connect("viewer-token", era);
    await client.callTool({ name: "health_overview", arguments: {} });
    const [call, ...more] = await written(1);
    expect(more).toEqual([]);
    expect(call).toMatchObject({
      kind: "tool",
      name: "health_overview",
      phase: "ended",
      code: "OK",
      token: "viewer-token",
      transport: "http",
      argumentsDigest: digestOfArguments({}),
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    });
  },
);

test("a change is written before it is asked for, and again with its plan; never with what it was called with", async () => {
  const client = await house.connect();
  await client.callTool({ name: "change_plan", arguments: CHANGE });
  const calls = await written(2);
  expect(calls).toMatchObject([
    { phase: "begun", name: "change_plan", code: "" },
    { phase: "ended", name: "change_plan", code: "OK", planHash: "5a".repeat(32), commandId: "c-1" },
  ]);
  expect(
    JSON.stringify(calls, (_, value) => (typeof value === "bigint" ? String(value) : value)),
  ).not.toContain("hunter2");
});

test("a change that cannot be written is not asked for, and that is said", async () => {
  house.fake.journalWrites = false;
  const client = await house.connect();
  const result = await client.callTool({ name: "change_plan", arguments: CHANGE });
  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("cannot be written in the journal, so nothing was asked for");
  expect(house.fake.commands.size).toBe(0);
});

test("reads go on while the journal takes nothing, and are written when it does again", async () => {
  house.fake.journalWrites = false;
  const client = await house.connect();
  // What an earlier test left waiting comes along.
  for (let i = 0; i < 3; i++) {
    const result = await client.callTool({ name: "health_overview", arguments: {} });
    expect(result.isError ?? false).toBe(false);
  }
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(house.fake.journalled).toEqual([]);
  house.fake.journalWrites = true;
  await written(3);
  expect(house.fake.journalled.filter(({ name }) => name === "health_overview")).toHaveLength(3);
});

describe("a record", () => {
  test("has the same digest for the same arguments in any order, and another for others", () => {
    expect(digestOfArguments({ a: 1, b: { c: [1, 2], d: undefined } })).toBe(
      digestOfArguments({ b: { c: [1, 2] }, a: 1 }),
    );
    expect(digestOfArguments({ a: [1, 2] })).not.toBe(digestOfArguments({ a: [2, 1] }));
    expect(digestOfArguments(undefined)).toBe(digestOfArguments({}));
  });

  test.each([
    [undefined, {}],
    ["text", {}],
    [{ plan: { hash: "nothing like a hash" }, command: { command_id: "a b" } }, {}],
    [
      { plan_hash: "a".repeat(64), command: { command_id: "c-1", approved_by: "ada" } },
      { planHash: "a".repeat(64), commandId: "c-1", approver: "ada" },
    ],
  ])("of %j names %j", (structured, names) => {
    expect(outcomeOf(structured)).toEqual(names);
  });
});
