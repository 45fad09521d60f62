import { afterEach, beforeEach, expect, test } from "vitest";
import { saveChanges } from "../alerting/alerts.store.js";
import type { Alert } from "../alerting/domain/evaluate-rule.js";
import { SYSTEM } from "../kernel/actor.js";
import type { Labels } from "../kernel/labels.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { type Listener, openListener } from "./testing/listener.js";
import { NotificationHouse, type Replica } from "./testing/notification-house.js";

let house: NotificationHouse;
let ear: Listener;
beforeEach(async () => {
  house = await NotificationHouse.open();
  ear = await openListener();
}, 60_000);
afterEach(async () => {
  await ear.close();
  await house.close();
});

const config = (): string => `
route:
  receiver: team
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
inhibit_rules:
  - source_matchers: [alertname="Dark"]
    target_matchers: [alertname="Full"]
receivers:
  - name: team
    webhook_configs:
      - url: ${ear.url}/hook?key=hidden-key
`;

async function fire(labels: Labels): Promise<void> {
  const now = house.system.clock.now();
  const alert: Alert = {
    ruleKey: `g/${labels["alertname"]}`,
    labels,
    annotations: {},
    state: { kind: "firing", activeAt: now, firedAt: now },
    value: 1,
    because: "a test says so",
  };
  const change = {
    rule: labels["alertname"] ?? "",
    group: "g",
    alerts: [alert],
    transitions: [{ alert, from: "inactive", to: "firing" } as const],
    flaps: [],
  };
  await house.fixture.database.transaction((tx) => saveChanges(tx, [change], now));
}

async function opened(external: Labels = {}): Promise<Replica> {
  await house.write(config());
  return house.openReplica("replica-1", external);
}

test("the account of an alert: who hears of it, who was told and what the receiver answered", async () => {
  const replica = await opened();
  const labels = { alertname: "Full", instance: "a" };
  await fire(labels);
  ear.answer = () => ({ status: 503 });
  await house.pass(replica, 12 * SECOND);
  expect(await replica.desk.accountOf(labels)).toMatchObject({
    receivers: ["team"],
    hiddenBy: [],
    notices: [
      {
        ...{ receiver: "team", integration: "webhook[0]", reason: "first", state: "queued" },
        lastAnswer: expect.stringContaining("503"),
        settledAt: undefined,
      },
    ],
  });
  ear.answer = () => ({ status: 200 });
  await house.pass(replica, 5 * MINUTE, 5 * SECOND);
  const { notices } = await replica.desk.accountOf(labels);
  expect(notices[0]).toMatchObject({ state: "delivered", lastAnswer: "HTTP 200" });
  expect(notices[0]?.attempts).toBeGreaterThan(1);
  expect(JSON.stringify(notices)).not.toContain("hidden-key");
  expect(await replica.desk.accountOf({ alertname: "Never" })).toMatchObject({ receivers: [], notices: [] });
});

test("the account says what hides an alert, before and after it kept something back", async () => {
  const replica = await opened();
  const labels = { alertname: "Full", instance: "a" };
  await fire(labels);
  const now = house.system.clock.now();
  const request = {
    id: undefined,
    matchers: [{ name: "instance", op: "=", value: "a" } as const],
    ...{ startsAt: now, endsAt: now + HOUR, createdBy: "ann", comment: "we know" },
  };
  const stored = await replica.desk.putSilence(request, SYSTEM);
  if (stored.kind !== "stored") throw new Error(stored.because);
  const silence = {
    ...{ kind: "silence", name: stored.id, what: '{instance="a"} by ann: we know', now: true, since: now },
  };
  expect((await replica.desk.accountOf(labels)).hiddenBy).toEqual([
    { ...silence, receiver: "", notices: 0, reason: "", lastAt: undefined },
  ]);
  await fire({ alertname: "Dark" });
  await house.pass(replica, 2 * MINUTE, 5 * SECOND);
  expect(await replica.desk.accountOf(labels)).toMatchObject({
    notices: [],
    hiddenBy: expect.arrayContaining([
      expect.objectContaining({ ...silence, receiver: "team", notices: 1, reason: "first" }),
      expect.objectContaining({ kind: "inhibition", now: true, what: '{alertname="Dark"}', notices: 1 }),
    ]),
  });
  await replica.desk.expireSilence(stored.id, SYSTEM);
  const [first, second] = (await replica.desk.accountOf(labels)).hiddenBy;
  expect(first).toMatchObject({ kind: "inhibition", now: true });
  expect(second).toMatchObject({ kind: "silence", now: false });
});

test("what is sent carries the house's labels where the alert has none of that name, and the account finds it", async () => {
  const replica = await opened({ cluster: "north", instance: "house" });
  const labels = { alertname: "Full", instance: "a" };
  await fire(labels);
  await house.pass(replica, 12 * SECOND);
  const sent = { ...labels, cluster: "north" };
  expect(JSON.parse(ear.heard[0]?.body ?? "")).toMatchObject({ alerts: [{ labels: sent }] });
  expect(await replica.desk.listAlerts({})).toMatchObject([{ labels: sent }]);
  expect((await replica.desk.accountOf(labels)).notices).toHaveLength(1);
});
