/**
 * One control plane, killed at random moments while alerts begin and end: each alert goes through its states once, and
 * whoever is told is told of one incident. MAINSTAY_ROUNDS sets how often.
 */
import { AlertState } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Exporter, startExporter } from "../harness/exporter.js";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { pause, until } from "../harness/until.js";
import { startWebhook, type Webhook } from "../harness/webhook.js";

const ROUNDS = Number(process.env["MAINSTAY_ROUNDS"] ?? 3);
const rules = `
groups:
  - name: kills
    interval: 1s
    rules:
      - { alert: Steady, expr: story_value == 1, for: 1s }
      - { alert: Waits, expr: story_value == 1, for: 10h }
      - { alert: Kept, expr: story_kept == 1, keep_firing_for: 10h }
      - { alert: Flips, expr: story_flip == 1, for: 2s }
`;
const STEADY = ["Kept", "Steady", "Waits"];

let exporter: Exporter;
let webhook: Webhook;
let stack: Stack;
let operator: Operator;

beforeAll(async () => {
  exporter = await startExporter();
  for (const name of ["story_value", "story_kept"]) exporter.set(name, 1);
  exporter.set("story_flip", 0);
  webhook = await startWebhook();
  stack = await Stack.start({ rules, alertmanager: alertmanagerFile(webhook.url) });
  operator = stack.operator();
  await stack.startAgent("web-1", { collect: { scrape: [{ job: "story", url: exporter.url }] } });
});
afterAll(async () => {
  await stack?.stop();
  await exporter?.stop();
  await webhook?.stop();
});

function alertmanagerFile(url: string): string {
  return `
route: { receiver: story, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 24h }
receivers: [{ name: story, webhook_configs: [{ url: "${url}", send_resolved: true }] }]
`;
}

const alerts = async () =>
  (await operator.alerts().listAlerts({})).alerts
    .filter(({ state }) => state !== AlertState.RESOLVED)
    .map(({ rule, alertId, state, activeAt, firedAt }) => ({ rule, alertId, state, activeAt, firedAt }))
    .sort((a, b) => (a.rule < b.rule ? -1 : 1));

const steady = async () => (await alerts()).filter(({ rule }) => STEADY.includes(rule));

const flipping = async () => (await alerts()).find(({ rule }) => rule === "Flips")?.state;

/** What the journal tells of the rule's one alert, in order. */
const story = async (rule: string): Promise<string[]> => {
  const kinds: string[] = [];
  for (let after = 0n; ; ) {
    const { entries } = await operator
      .journal()
      .listEntries({ kind: "alert.", afterPosition: after, size: 1_000 });
    for (const { kind, actor } of entries) if (actor?.name === rule) kinds.push(kind);
    const last = entries.at(-1);
    if (last === undefined) return kinds;
    after = last.position;
  }
};

describe("kill -9", () => {
  test("finds alerts in each state", async () => {
    await until(
      "all three",
      async () => {
        const now = await steady();
        return now.length === 3 && now.filter(({ state }) => state === AlertState.FIRING).length === 2
          ? true
          : undefined;
      },
      60_000,
    );
    exporter.set("story_kept", 0);
    await until("two notices", () => (webhook.notices.length >= 2 ? true : undefined));
  });

  test(
    `${ROUNDS} times at any moment changes nothing but what the world changed`,
    async () => {
      const before = await steady();
      const ready: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const on = round % 2 === 0;
        exporter.set("story_flip", on ? 1 : 0);
        // Anywhere between before it is seen and after it was told.
        await pause(Math.random() * 5_000);
        await stack.controlPlane.killHard();
        const killed = Date.now();
        await stack.startControlPlane();
        await stack.controlPlane.says("rules are judged here", 60_000);
        ready.push(Date.now() - killed);
        expect(await steady(), `round ${round}`).toEqual(before);
        await until(
          `round ${round}: the alert to ${on ? "fire" : "be gone"}`,
          async () => ((await flipping()) === (on ? AlertState.FIRING : undefined) ? true : undefined),
          30_000,
        );
        await until(
          `round ${round}: the notice`,
          () => {
            const last = webhook.notices.filter(({ groupKey }) => groupKey.includes("Flips")).at(-1);
            return last?.status === (on ? "firing" : "resolved") ? true : undefined;
          },
          30_000,
        );
        expect(await steady(), `round ${round}`).toEqual(before);
      }
      const turns = Array.from({ length: Math.ceil(ROUNDS / 2) }, () => [
        "alert.pending",
        "alert.fired",
        "alert.resolved",
      ]).flat();
      expect(await story("Flips")).toEqual(ROUNDS % 2 === 0 ? turns : turns.slice(0, -1));
      expect(await story("Steady")).toEqual(["alert.pending", "alert.fired"]);
      expect(await story("Waits")).toEqual(["alert.pending"]);
      // At least once, and of one incident: whatever is repeated after a kill says the same.
      for (const rule of ["Steady", "Kept"]) {
        const its = webhook.notices.filter(({ groupKey }) => groupKey.includes(`"${rule}"`));
        expect(new Set(its.map(({ status, alerts: [alert] }) => `${status} ${alert?.startsAt}`)).size).toBe(
          1,
        );
      }
      const flips = webhook.notices.filter(({ groupKey }) => groupKey.includes("Flips"));
      const told = new Set(flips.map(({ status, alerts: [alert] }) => `${status} ${alert?.startsAt}`));
      expect(told.size).toBe(ROUNDS);
      expect((await operator.journal().verifyJournal({})).intact).toBe(true);
      ready.sort((a, b) => a - b);
      process.stdout.write(
        `${ROUNDS} kills: judging again after ${ready[0]} to ${ready.at(-1)} ms, median ${ready[Math.floor(ready.length / 2)]} ms; ${webhook.notices.length} notices of ${ROUNDS + 2} turns\n`,
      );
    },
    60_000 + ROUNDS * 90_000,
  );
});
