/** From a firing alert to the end of its ladder, on PostgreSQL, with an agent that answers by hand. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CommandDesk, readCommands } from "../commands/commands.module.js";
import type { Command, CommandEvent, OrderMode } from "../commands/domain/command.js";
import { DENY_ALL } from "../commands/domain/policy.js";
import { countNodes } from "../fleet/fleet.module.js";
import { readEntries } from "../journal/journal.module.js";
import { nodeId } from "../kernel/ids.js";
import { MINUTE, SECOND } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { inProcessLive } from "../platform/redis/live.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import type { SafetyVerdict } from "../safety/domain/judge-action.js";
import { parseRemediation, type Remediation, Remediator } from "./remediation.module.js";

const NODE = {
  id: nodeId("n1"),
  name: "db-1",
  labels: { role: "db" },
  actions: ["reload-service", "set-value", "restart-service"],
  revoked: false,
};

function read(content: object): Remediation {
  const parsed = parseRemediation(content, () => 1);
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  return parsed.value;
}

let fixture: TestDatabase;
let desk: CommandDesk;
let remediator: Remediator;
const system = fakeSystem();
let remediation = read({});
let verdict: SafetyVerdict = { kind: "clear" };
let holds = false;

beforeAll(async () => {
  fixture = await createTestDatabase();
  const { database } = fixture;
  const findNode = async (name: string) => (name === "db-1" || name === "n1" ? NODE : undefined);
  desk = new CommandDesk({
    database,
    live: inProcessLive(),
    system,
    findNode,
    policy: () => ({ ...DENY_ALL, rules: [{ name: "all", verdict: "allow" }] }),
    topology: () => [],
    countNodes,
    safety: undefined,
  });
  remediator = new Remediator({
    database,
    desk,
    system,
    logger: silentLogger,
    remediation: () => remediation,
    safety: { judge: async () => verdict },
    findNode,
    check: async (expr) => ({ holds, because: `${expr} is ${holds ? 1 : 0}` }),
  });
}, 60_000);
afterAll(() => fixture.close());

async function fire(alert: string): Promise<void> {
  const at = new Date(system.clock.now());
  await fixture.database.query({
    text: `insert into alert (alert_id, rule_key, rule_name, group_name, labels, annotations, state, because, value, active_at, fired_at)
      values ($1, $1, $1, 'g', $2, '{}', 'firing', 'it holds', 1, $3, $3)`,
    values: [alert, JSON.stringify({ alertname: alert, node: "db-1" }), at],
  });
}

/** One beat; answers the alert's commands, newest first. */
async function beat(alertId: string, after = SECOND): Promise<readonly Command[]> {
  system.clock.advance(after);
  await remediator.run(system.clock.now());
  return (await readCommands(fixture.database, { limit: 99 })).filter(
    (command) => command.alertId === alertId || command.undoes !== "",
  );
}

const PLAN = {
  kind: "finished",
  outcome: "succeeded",
  exitCode: 0,
  summary: "planned",
  planHash: "a".repeat(64),
} as const;

async function tells(command: Command, mode: OrderMode, what: CommandEvent["what"]): Promise<void> {
  const { id: commandId } = command;
  const event = { commandId, attempt: 1, mode, sequence: 1, at: system.clock.now(), what };
  await desk.take(NODE.id, event);
}

/** The agent plans and runs it. */
async function carryOut(command: Command, inverse: unknown, outcome: "succeeded" | "failed" = "succeeded") {
  await tells(command, "preview", { ...PLAN, resultJson: JSON.stringify({ inverse }) });
  const approved = await desk.read(command.id);
  if (approved === undefined || approved.state !== "approved") throw new Error(`it is ${approved?.state}`);
  await desk.markSent(approved, 1);
  await tells(command, "run", { ...PLAN, outcome, resultJson: "", planHash: "" });
}

const LADDER = {
  alert: "ServiceDown",
  verify: { sli: 'up{node="db-1"}' },
  verifyWithin: "2m",
  steps: [
    { name: "turn", action: "set-value", arguments: { value: 2 } },
    { name: "restart", action: "restart-service" },
  ],
};

describe("remediation", () => {
  test("takes back what did not help, climbs, and ends when the verification holds", async () => {
    remediation = read({ rules: [LADDER] });
    await fire("ServiceDown");
    const [first] = await beat("ServiceDown");
    expect(first).toMatchObject({ action: "set-value", argumentsJson: '{"value":2}', state: "planning" });
    if (first === undefined) throw new Error("no command");
    await carryOut(first, { action: "set-value", arguments: { value: 1 } });
    expect(await beat("ServiceDown")).toMatchObject([{ verification: "pending" }]);
    const [undoing] = await beat("ServiceDown", 2 * MINUTE);
    expect(undoing).toMatchObject({
      undoes: first.id,
      action: "set-value",
      argumentsJson: '{"value":1}',
      requestedBy: { kind: "rule", name: "ServiceDown" },
    });
    expect(await desk.read(first.id)).toMatchObject({ verification: "not-cleared" });
    // It is not asked for again while it is under way.
    expect(await beat("ServiceDown")).toHaveLength(2);
    if (undoing === undefined) throw new Error("no undo");
    await carryOut(undoing, "nothing-to-undo");
    const [second] = await beat("ServiceDown");
    expect(second).toMatchObject({
      action: "restart-service",
      reason: "ServiceDown still fires after attempt 1; the next step is restart",
    });
    if (second === undefined) throw new Error("no second step");
    await carryOut(second, "nothing-to-undo");
    holds = true;
    await beat("ServiceDown");
    expect(await desk.read(second.id)).toMatchObject({ verification: "pending" });
    await beat("ServiceDown", 30 * SECOND);
    expect(await desk.read(second.id)).toMatchObject({ verification: "cleared" });
    // The alert itself still fires: the ladder is at its end, and says so once.
    await beat("ServiceDown");
    await beat("ServiceDown");
    const held = await readEntries(fixture.database, { subject: "alert:ServiceDown", limit: 9 });
    expect(held.map(({ because }) => because)).toEqual([
      "2 of 2 attempts (turn, restart) did not clear it; a person is needed",
    ]);
  });

  test("waits out what the safety budget holds, and says so once", async () => {
    holds = false;
    remediation = read({ rules: [{ alert: "Held", verify: "alert", action: "reload-service" }] });
    await fire("Held");
    verdict = { kind: "hold", verdict: "deny", passing: true, by: "cooldown", because: "in 59s" };
    expect((await beat("Held")).filter(({ alertId }) => alertId === "Held")).toEqual([]);
    verdict = { ...verdict, because: "in 58s" };
    await beat("Held");
    const said = async () =>
      (await readEntries(fixture.database, { subject: "alert:Held", limit: 9 })).map(
        ({ because }) => because,
      );
    expect(await said()).toEqual(["in 59s"]);
    verdict = { kind: "hold", verdict: "deny", passing: false, by: "brake", because: "the brake" };
    await beat("Held");
    expect(await said()).toEqual(["in 59s", "the brake"]);
    verdict = { kind: "clear" };
    expect((await beat("Held")).filter(({ alertId }) => alertId === "Held")).toHaveLength(1);
  });

  test("demotes an action that seldom helps: it needs an approval, and says why", async () => {
    remediation = read({
      rules: [{ alert: "Useless", verify: "alert", action: "restart-service", attempts: 3, cooldown: "1s" }],
      effects: { window: "1h", tries: 2, score: 0.6 },
    });
    await fire("Useless");
    const own = async () => (await beat("Useless", MINUTE)).filter(({ alertId }) => alertId === "Useless");
    for (const _ of [1, 2]) {
      const [command] = await own();
      if (command === undefined) throw new Error("no command");
      expect(command.requireApproval).toBe(false);
      await carryOut(command, "nothing-to-undo", "failed");
      await beat("Useless");
    }
    const [third] = await own();
    expect(third).toMatchObject({
      requireApproval: true,
      reason:
        "Useless still fires after attempt 2; demoted: it helped 0 of 2 times, at least 60 % are expected; a person has to approve it",
    });
    if (third === undefined) throw new Error("no third command");
    await tells(third, "preview", { ...PLAN, resultJson: "{}" });
    expect(await desk.read(third.id)).toMatchObject({ state: "awaiting-approval" });
  });
});
