/** How the health of domains is read: what the fleet says of its nodes, and alerting of what fires on them. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { readFiringSince, readNodesFiring } from "../alerting/alerting.module.js";
import { countNodes, readHealthByLabel } from "../fleet/fleet.module.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";

const AT = 1_700_000_000_000;
let fixture: TestDatabase;

beforeAll(async () => {
  fixture = await createTestDatabase();
  const nodes: readonly (readonly [name: string, labels: object, liveness: string])[] = [
    ["a1", { role: "web", zone: "x" }, "live"],
    ["a2", { role: "web", zone: "x" }, "late"],
    ["a3", { role: "web", zone: "y" }, "lost"],
    ["b1", { role: "db", zone: "y" }, "live"],
    ["b2", { role: "db", zone: "" }, "live"],
    ["new", { role: "db", zone: "y" }, "never-seen"],
    ["other", {}, "lost"],
  ];
  for (const [name, labels, liveness] of nodes) {
    await fixture.database.query({
      text: `insert into node (node_id, name, key_hash, enrolled_at, labels, liveness, liveness_since)
        values ($1, $1, 'k', now(), $2, $3, now())`,
      values: [name, JSON.stringify(labels), liveness],
    });
  }
  const alerts: readonly (readonly [id: string, labels: object, state: string, firedAt: number | null])[] = [
    ["1", { node: "b1", severity: "critical" }, "firing", AT],
    ["2", { node: "b2", severity: "warning" }, "firing", AT],
    ["3", { node: "b2", severity: "critical" }, "pending", null],
    ["4", { node: "a1", severity: "critical" }, "resolved", AT],
    ["5", { severity: "critical" }, "firing", AT],
  ];
  for (const [id, labels, state, firedAt] of alerts) {
    await fixture.database.query({
      text: `insert into alert (alert_id, rule_key, rule_name, group_name, labels, annotations, state, because, value, active_at, fired_at)
        values ($1, 'k', 'Rule' || $1, 'g', $2, '{}', $3, '', 1, now(), $4)`,
      values: [id, JSON.stringify(labels), state, firedAt === null ? null : new Date(firedAt)],
    });
  }
}, 60_000);
afterAll(() => fixture.close());

test("nodes that do not live, or on which a critical alert fires, are unhealthy; what never served does not count", async () => {
  const { database } = fixture;
  const troubled = await readNodesFiring(database, "critical");
  expect(troubled).toEqual(["b1"]);
  const all = await readHealthByLabel(database, ["role", "zone", "none"], undefined, troubled);
  const shown = all.map(({ label, value, nodes, unhealthy }) => `${label}=${value} ${unhealthy}/${nodes}`);
  expect(shown.sort()).toEqual(["role=db 1/2", "role=web 2/3", "zone=x 1/2", "zone=y 2/2"]);
  // A node's own domains are counted alike; an empty value is no domain.
  const own = await readHealthByLabel(database, ["role", "zone"], { role: "db", zone: "" }, troubled);
  expect(own).toEqual([{ label: "role", value: "db", nodes: 2, unhealthy: 1 }]);
  expect(await readHealthByLabel(database, ["role"], {}, troubled)).toEqual([]);
  expect(await countNodes(database, "role", "db")).toBe(3);
});

test("critical alerts count for a rollout from when it began", async () => {
  const since = (at: number) => readFiringSince(fixture.database, "critical", at);
  expect(await since(AT)).toEqual([{ node: "b1", alert: "Rule1" }]);
  expect(await since(AT + 1)).toEqual([]);
});
