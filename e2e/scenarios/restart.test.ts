/** A control plane that is killed comes back with every alert exactly as it was, and without a gap in its readings. */
import { AlertState } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { longestSilence } from "../harness/readings.js";
import { Stack } from "../harness/stack.js";
import { pause, until } from "../harness/until.js";

let stack: Stack;
let operator: Operator;
const rules = `
groups:
  - name: always
    interval: 1s
    rules:
      - { alert: Fires, expr: node_time_seconds > 0, for: 2s }
      - { alert: Waits, expr: node_time_seconds > 0, for: 1h }
`;
beforeAll(async () => {
  stack = await Stack.start({ rules });
  operator = stack.operator();
  await stack.startAgent("db-1");
});
afterAll(() => stack?.stop());

const alerts = async () => {
  const answer = await operator.alerts().listAlerts({});
  return Object.fromEntries(
    answer.alerts.map(({ rule, alertId, state, activeAt, firedAt }) => [
      rule,
      { alertId, state, activeAt, firedAt },
    ]),
  );
};

test("after kill -9 each alert is in the state it was in, with the same activeAt, and none was told to resolve", async () => {
  const before = await until("one alert to fire and one to wait", async () => {
    const now = await alerts();
    return now["Fires"]?.state === AlertState.FIRING && now["Waits"]?.state === AlertState.PENDING
      ? now
      : undefined;
  });
  await stack.controlPlane.killHard();
  const down = Date.now();
  await pause(4_000);
  await stack.startControlPlane();
  expect(await alerts()).toEqual(before);
  await stack.controlPlane.says("rules are judged here", 60_000);
  await pause(5_000);
  expect(await alerts()).toEqual(before);
  for (const { alertId } of Object.values(before)) {
    const { entries } = await operator.journal().listEntries({ subject: `alert:${alertId}` });
    expect(entries.map((entry) => entry.kind)).not.toContain("alert.resolved");
    expect(entries.map((entry) => entry.kind)).not.toContain("alert.inactive");
  }
  // Readings of the time it was down came out of the agent's outbox.
  await until("the readings of the outage", async () => {
    const silence = await longestSilence(
      operator,
      'node_time_seconds{node="db-1"}',
      down - 4_000,
      down + 6_000,
    );
    if (silence >= 4) throw new Error(`${silence} s without a reading`);
    return silence;
  });
}, 120_000);
