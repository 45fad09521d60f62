/** Operations tasks as an AI client does them, over a real house: found out, done with an approval, or rightly not done. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACT } from "../agent-tasks/act.js";
import { faultsOf, knownCommands } from "../agent-tasks/grade.js";
import { LOOK } from "../agent-tasks/look.js";
import { ScriptedClient } from "../agent-tasks/scripted-client.js";
import { makeWorld, type World } from "../agent-tasks/world.js";

let world: World;
const clients = new Map<string, ScriptedClient>();
const ERAS = ["2026-07-28", "2025-11-25"] as const;

beforeAll(async () => {
  world = await makeWorld();
  for (const era of ERAS) clients.set(era, await ScriptedClient.connect(world, era));
});
afterAll(async () => {
  for (const client of clients.values()) await client.close();
  await world?.close();
});

const TASKS = [...LOOK, ...ACT];

test("there are at least forty tasks, each with a name of its own", () => {
  expect(TASKS.length).toBeGreaterThanOrEqual(40);
  expect(new Set(TASKS.map(({ id }) => id)).size).toBe(TASKS.length);
});

// Both eras take turns: every task is done once.
describe("a scripted client", () => {
  test.each(TASKS.map((task, i) => ({ id: task.id, task, era: ERAS[i % 2] ?? ERAS[0] })))(
    "$id ($era)",
    async ({ task, era }) => {
      world.restore();
      const before = await knownCommands(world);
      const answer = await clients.get(era)?.work(task);
      expect(await faultsOf(world, task, answer ?? "", before)).toEqual([]);
    },
  );

  test.each(TASKS.filter((task) => task.answer !== undefined))(
    "$id is not done by saying nothing",
    async (task) => {
      const before = await knownCommands(world);
      expect(await faultsOf(world, task, "", before)).not.toEqual([]);
    },
  );
});
