import type { Client } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ERAS, type Era, type House, openHouse } from "../testing/house.js";

let house: House;
beforeAll(async () => {
  house = await openHouse();
  house.fake.entries = Array.from({ length: 5 }, (_, i) => ({
    position: BigInt(i + 1),
    kind: "alert.fired",
    subject: "alert:a-1",
  }));
});
afterAll(() => house.close());
beforeEach(() => {
  house.fake.heard.length = 0;
  house.fake.nodes = ["db-1", "db-2", "web-1"].map((name, i) => ({ nodeId: `n-${i + 1}`, name }));
  house.fake.alerts = [{ alertId: "a-1", rule: "DiskFull", state: 2 }];
});

const json = async (client: Client, uri: string): Promise<unknown> => {
  const { contents } = await client.readResource({ uri });
  const [first] = contents;
  return JSON.parse(first !== undefined && "text" in first ? first.text : "null");
};

const eventually = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(holds()).toBe(true);
};

/** Has the URIs watched, in the way of the era; the answer is what was told so far, and how to stop. */
async function watch(
  client: Client,
  era: Era,
  uris: string[],
): Promise<{ told: string[]; stop(): Promise<void> }> {
  const told: string[] = [];
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => {
    told.push(params.uri);
  });
  if (era === "2026-07-28") {
    const subscription = await client.listen({ resourceSubscriptions: uris });
    return { told, stop: () => subscription.close() };
  }
  for (const uri of uris) await client.subscribeResource({ uri });
  return {
    told,
    async stop() {
      for (const uri of uris) await client.unsubscribeResource({ uri });
    },
  };
}

describe.each(ERAS)("a client of %s", (era) => {
  test("finds the lists and the templates, each with words of our own", async () => {
    const client = await house.connect("viewer-token", era);
    const { resources } = await client.listResources();
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resources.map(({ uri }) => uri)).toEqual(
      ["health", "nodes", "alerts", "commands", "journal"].map((name) => `mainstay://${name}`),
    );
    const own = resourceTemplates.filter(({ uriTemplate }) => uriTemplate.startsWith("mainstay:"));
    // What the skills extension adds of its own stands in the era that has it.
    expect(resourceTemplates.length - own.length).toBe(era === "2026-07-28" ? 1 : 0);
    expect(own.map(({ uriTemplate }) => uriTemplate)).toEqual([
      "mainstay://node/{id}",
      "mainstay://alert/{id}",
      "mainstay://command/{id}",
      "mainstay://journal/{after}",
    ]);
    expect([...resources, ...own].every(({ description }) => description !== undefined)).toBe(true);
  });

  test.each([
    ["mainstay://health", { status: "degraded", nodes_live: 3 }],
    ["mainstay://nodes", { nodes: [{ name: "db-1" }, { name: "db-2" }, { name: "web-1" }] }],
    ["mainstay://node/db-1", { node: { node_id: "n-1" } }],
    ["mainstay://node/n-2", { node: { name: "db-2" } }],
    ["mainstay://alert/a-1", { alert: { rule: "DiskFull" }, expr: "disk_used > 0.9" }],
    ["mainstay://journal", { last_position: expect.any(Number), entries: expect.any(Array) }],
    ["mainstay://journal/3", { entries: expect.arrayContaining([expect.objectContaining({ position: 4 })]) }],
  ])("reads %s", async (uri, content) => {
    const client = await house.connect("viewer-token", era);
    expect(await json(client, uri)).toMatchObject(content);
    expect(house.fake.heard.every(({ token }) => token === "viewer-token")).toBe(true);
  });

  test.each([
    "mainstay://node/nobody",
    "mainstay://node/%ff",
    "mainstay://journal/x",
    "mainstay://nothing",
    "file:///etc/passwd",
  ])("is told that there is no %s", async (uri) => {
    const client = await house.connect("viewer-token", era);
    await expect(client.readResource({ uri })).rejects.toMatchObject({ code: -32_602 });
  });

  test("is offered ids that begin as it began to write", async () => {
    const client = await house.connect("viewer-token", era);
    const complete = async (uri: string, value: string): Promise<readonly string[]> => {
      const argument = { name: "id", value };
      return (await client.complete({ ref: { type: "ref/resource", uri }, argument })).completion.values;
    };
    expect(await complete("mainstay://node/{id}", "db")).toEqual(["db-1", "db-2"]);
    expect(await complete("mainstay://alert/{id}", "")).toEqual(["a-1"]);
    expect(await complete("mainstay://node/{id}", "zz")).toEqual([]);
  });

  test("is told of changes of what it watches and of nothing else; then the journal is let go", async () => {
    const client = await house.connect("operator-token", era);
    const { told, stop } = await watch(client, era, ["mainstay://node/n-1", "mainstay://alerts"]);
    house.fake.note("node.lost", "node:n-1");
    house.fake.note("node.heard", "node:n-2");
    house.fake.note("alert.fired", "alert:a-9");
    house.fake.note("alert.resolved", "alert:a-9");
    await eventually(() => told.length >= 2);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect([...new Set(told)].toSorted()).toEqual(["mainstay://alerts", "mainstay://node/n-1"]);
    expect(house.fake.watchers.size).toBe(1);
    await stop();
    await eventually(() => house.fake.watchers.size === 0);
  });

  test("that only goes away lets the journal go, too", async () => {
    const client = await house.connect("viewer-token", era);
    await watch(client, era, ["mainstay://journal"]);
    await eventually(() => house.fake.watchers.size === 1);
    // In the earlier era a session outlives its connection, until its client ends it.
    const session = client.transport;
    if (
      session !== undefined &&
      "terminateSession" in session &&
      typeof session.terminateSession === "function"
    ) {
      await session.terminateSession();
    }
    await client.close();
    await eventually(() => house.fake.watchers.size === 0);
  });
});

test("clients with one token share one stream of the journal, and each is told", async () => {
  const [first, second] = await Promise.all([house.connect("viewer-token"), house.connect("viewer-token")]);
  const [a, b] = await Promise.all([
    watch(first, "2026-07-28", ["mainstay://journal"]),
    watch(second, "2026-07-28", ["mainstay://journal"]),
  ]);
  await eventually(() => house.fake.watchers.size === 1);
  house.fake.note("node.lost", "node:n-1");
  await eventually(() => a.told.length === 1 && b.told.length === 1);
  await a.stop();
  await b.stop();
});

test("a change while the control plane was away is told when it is back", async () => {
  const client = await house.connect("viewer-token");
  const { told, stop } = await watch(client, "2026-07-28", ["mainstay://node/n-1"]);
  await eventually(() => house.fake.watchers.size === 1);
  house.fake.stop();
  house.fake.watchers.clear();
  house.fake.note("node.lost", "node:n-1");
  await house.fake.start();
  await eventually(() => told.length === 1);
  await stop();
});
