import { AlertState } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { Liveness } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { Tiktoken } from "js-tiktoken/lite";
import o200k from "js-tiktoken/ranks/o200k_base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type House, openHouse, textOf } from "../testing/house.js";

let house: House;
beforeAll(async () => {
  house = await openHouse();
  const { fake } = house;
  fake.nodes = ["db-1", "db-2", "web-1"].map((name, i) => ({
    nodeId: `n-${i + 1}`,
    name,
    liveness: i === 2 ? Liveness.LATE : Liveness.LIVE,
    labels: { env: "prod" },
  }));
  fake.certificates = ["db-1", "web-1"].map((nodeName) => ({ nodeId: "n-1", nodeName, source: "/a.pem" }));
  fake.alerts = [
    { alertId: "a-1", rule: "DiskFull", state: AlertState.FIRING },
    { alertId: "a-2", rule: "Load", state: AlertState.PENDING },
  ];
});
afterAll(() => house.close());

const call = async (name: string, input: Record<string, unknown> = {}) => {
  const client = await house.connect();
  return client.callTool({ name, arguments: input });
};

describe("rows", () => {
  test("are given by the fields that were asked for, in the order of the text's columns", async () => {
    const result = await call("nodes_list", { fields: ["name", "liveness"] });
    expect(result.structuredContent).toEqual({
      nodes: [
        { name: "db-1", liveness: "live" },
        { name: "db-2", liveness: "live" },
        { name: "web-1", liveness: "late" },
      ],
    });
    expect(textOf(result)).toContain("name,liveness\ndb-1,live");
  });

  test.each([
    ["nodes_list", "liveness", { live: 2, late: 1 }],
    ["nodes_list", "labels.env", { prod: 3 }],
    ["nodes_list", "labels.none", { "-": 3 }],
    ["alerts_list", "rule", { DiskFull: 1, Load: 1 }],
    ["certificates_list", "node", { "db-1": 1, "web-1": 1 }],
  ])("of %s are counted by %s here, and not in the model's head", async (name, by, counts) => {
    const result = await call(name, { count_by: by });
    expect(result.structuredContent).toMatchObject({ counts });
  });

  test.each([{ fields: ["nmae"] }, { count_by: "nmae" }])(
    "by %j are not known, but a near name is",
    async (input) => {
      expect(textOf(await call("nodes_list", input))).toBe(
        'INVALID_ARGUMENT: no field "nmae"; did you mean "name"?',
      );
    },
  );

  test("of a node are its parts, as asked for", async () => {
    const result = await call("node_get", { node: "db-1", fields: ["services"] });
    expect(Object.keys(result.structuredContent ?? {}).sort()).toEqual(["left_out", "node", "services"]);
  });
});

describe("an answer costs its reader", () => {
  const tokenizer = new Tiktoken(o200k);
  const crowd = (): void => {
    const long = (i: number): string => `${"0123456789abcdef".repeat(8)} ${i} ${"ünïcode ".repeat(10)}`;
    house.fake.nodes = Array.from({ length: 400 }, (_, i) => ({
      nodeId: `n-${i}`,
      name: `node-${i}`,
      livenessBecause: long(i),
      labels: Object.fromEntries(Array.from({ length: 10 }, (_, l) => [`label_${l}`, long(l)])),
      actions: ["clean-directory"],
    }));
    house.fake.certificates = house.fake.nodes.map((_, i) => ({
      nodeId: "n-1",
      nodeName: "n",
      source: long(i),
    }));
    house.fake.alerts = house.fake.nodes.map((_, i) => ({
      alertId: `a-${i}`,
      rule: "Load",
      state: AlertState.FIRING,
      annotations: { summary: long(i), description: long(i) },
    }));
    house.fake.series = house.fake.nodes.map((_, i) => ({
      labels: { __name__: "up", note: long(i) },
      points: [{ timestampMs: 2_000n, value: i }],
    }));
    house.fake.entries = house.fake.nodes.map((_, i) => ({
      position: BigInt(i + 1),
      kind: "alert.fired",
      subject: "alert:a-1",
      because: long(i),
      factsJson: JSON.stringify({ long: long(i) }),
      hash: "cd".repeat(32),
    }));
  };
  const calls: [string, Record<string, unknown>][] = [
    ["nodes_list", { limit: 200 }],
    ["node_get", { node: "n-1" }],
    ["certificates_list", { limit: 200 }],
    ["alerts_list", { limit: 200 }],
    ["metrics_query", { expr: "up", limit: 200 }],
    ["metrics_query_range", { expr: "up", from: "1", to: "60", step_seconds: 1, limit: 200 }],
    ["journal_list", { limit: 200 }],
  ];

  test.each(calls)(
    "of %s at most 4,000 tokens, or as many as it wants, and never 20,000",
    async (name, input) => {
      crowd();
      const cost = async (more: Record<string, unknown>): Promise<number> => {
        const { content, structuredContent, isError } = await call(name, { ...input, ...more });
        expect(isError ?? false).toBe(false);
        return tokenizer.encode(JSON.stringify({ content, structuredContent })).length;
      };
      expect(await cost({})).toBeLessThanOrEqual(4_000);
      expect(await cost({ max_tokens: 1_500 })).toBeLessThanOrEqual(1_700);
      expect(await cost({ max_tokens: 20_000 })).toBeLessThan(20_000);
    },
  );
});
