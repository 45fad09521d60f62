import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { saveChanges } from "../alerting/alerts.store.js";
import type { Alert } from "../alerting/domain/evaluate-rule.js";
import type { Labels } from "../kernel/labels.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { type Listener, openListener } from "./testing/listener.js";
import { NotificationHouse, type Replica } from "./testing/notification-house.js";
import { replayPast, type TryRoutesPorts, testRoutes } from "./try-routes.js";

let house: NotificationHouse;
let ear: Listener;
let replica: Replica;
beforeEach(async () => {
  house = await NotificationHouse.open();
  ear = await openListener();
  await house.write(config());
  replica = await house.openReplica("replica-1", { cluster: "north" });
}, 60_000);
afterEach(async () => {
  await ear.close();
  await house.close();
});

const config = (routes = ""): string => `
route:
  receiver: team
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
${routes}
receivers:
  - {name: team, webhook_configs: [{url: "${ear.url}"}]}
  - {name: pager, webhook_configs: [{url: "${ear.url}"}]}
`;

const ports = (): TryRoutesPorts => ({
  database: house.fixture.database,
  system: house.system,
  inForce: () => replica.configFile.inForce,
  externalLabels: { cluster: "north" },
});
const signal = new AbortController().signal;

/** An alert of ours turns; `since`: it fired then and resolves now. */
async function turn(labels: Labels, since?: number): Promise<void> {
  const now = house.system.clock.now();
  const state: Alert["state"] =
    since === undefined
      ? { kind: "firing", activeAt: now, firedAt: now }
      : { kind: "resolved", activeAt: since, firedAt: since, resolvedAt: now };
  const alert: Alert = {
    ...{ ruleKey: `g/${labels["alertname"]}`, labels, annotations: {}, state, value: 1, because: "a test" },
  };
  const rule = labels["alertname"] ?? "";
  const from = since === undefined ? ("inactive" as const) : ("firing" as const);
  const transitions = [{ alert, from, to: state.kind }];
  await house.fixture.database.transaction((tx) =>
    saveChanges(tx, [{ rule, group: "g", alerts: [alert], transitions, flaps: [] }], now),
  );
}

describe("a replay of the past", () => {
  const full = { alertname: "Full", instance: "a", severity: "critical" };
  let from: number;
  let to: number;
  beforeEach(async () => {
    from = house.system.clock.now();
    await turn(full);
    await replica.desk.postAlerts([
      {
        ...{ labels: { alertname: "Posted" }, annotations: {}, startsAt: undefined, generatorUrl: "" },
        endsAt: from + 24 * HOUR,
      },
    ]);
    await house.pass(replica, 90 * SECOND, SECOND);
    await turn(full, from);
    await house.pass(replica, 3 * MINUTE, SECOND);
    to = house.system.clock.now();
  });

  test("by the same file tells the same", async () => {
    const replay = await replayPast(ports(), { config: "", from, to }, signal);
    expect(replay.tellings.map(({ labels, would, did }) => [labels["alertname"], would, did])).toEqual([
      ["Full", 2, 2],
      ["Posted", 1, 1],
    ]);
    expect(replay.tellings[0]?.labels["cluster"]).toBe("north");
    expect(replay.receivers).toEqual([{ receiver: "team", would: 3, did: 3 }]);
    expect(ear.heard).toHaveLength(3);
  });

  test("by another says who would have been told instead", async () => {
    const changed = config(`  routes: [{matchers: ['severity="critical"'], receiver: pager}]`);
    const replay = await replayPast(ports(), { config: changed, from, to }, signal);
    expect(
      replay.tellings.map(({ receiver, labels, would, did }) => [receiver, labels["alertname"], would, did]),
    ).toEqual([
      ["pager", "Full", 2, 0],
      ["team", "Full", 0, 2],
      ["team", "Posted", 1, 1],
    ]);
    expect(replay.receivers).toEqual([
      { receiver: "pager", would: 2, did: 0 },
      { receiver: "team", would: 1, did: 3 },
    ]);
  });

  test("of a later time builds on what was told before", async () => {
    const replay = await replayPast(ports(), { config: "", from: from + MINUTE, to }, signal);
    expect(replay.receivers).toEqual([{ receiver: "team", would: 1, did: 1 }]);
  });
});

describe("where an alert goes", () => {
  test("by the file in force and by another", () => {
    const labels = { alertname: "Full", severity: "critical" };
    expect(testRoutes(ports(), "", labels)).toMatchObject([
      { place: { receiver: "team", labels: { alertname: "Full" }, route: { key: "{}" } }, mutedBy: [] },
    ]);
    const window = `time_intervals: [{name: always, time_intervals: [{}]}]`;
    const routes = `  routes: [{matchers: ['severity="critical"'], receiver: pager, mute_time_intervals: [always]}]`;
    expect(testRoutes(ports(), config(routes) + window, labels)).toMatchObject([
      { place: { receiver: "pager", route: { key: '{}/{severity="critical"}' } }, mutedBy: ["always"] },
    ]);
  });

  test.each([
    ["a file that is none", "route: {}", {}, /the file is not well formed: config:1/],
    ["too large a file", "x".repeat(1_100_000), {}, /at most 1048576/],
    ["a name that is none", "", { "a b": "c" }, /"a b" is no name of a label/],
  ])("%s is refused", (_, text, labels, message) => {
    expect(() => testRoutes(ports(), text, labels)).toThrow(message);
  });
});

test("a replay that cannot be is refused", async () => {
  const wish = { config: "", from: 5, to: 5 };
  await expect(replayPast(ports(), wish, signal)).rejects.toThrow("not after its beginning");
  await expect(replayPast(ports(), { ...wish, to: 31 * 24 * HOUR }, signal)).rejects.toThrow("30 days");
});
