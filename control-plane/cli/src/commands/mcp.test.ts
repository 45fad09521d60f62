import { create } from "@bufbuild/protobuf";
import {
  GetMcpSwitchResponseSchema,
  McpSwitch,
  SetMcpSwitchResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/mcp_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeHouse } from "../testing/fake-house.js";

let house: FakeHouse;
beforeAll(async () => {
  house = await FakeHouse.open();
});
afterAll(() => house.close());

/** A control plane whose switch stands so after it was set. */
const stands = (state: McpSwitch) => ({
  setMcpSwitch: () => create(SetMcpSwitchResponseSchema),
  getMcpSwitch: () => create(GetMcpSwitchResponseSchema, { state, setBy: "eve", because: "a freeze" }),
});

test.each([
  { set: "on", state: McpSwitch.ON, looks: 0 },
  { set: "read-only", state: McpSwitch.READ_ONLY, looks: 2 },
  { set: "off", state: McpSwitch.OFF, looks: 2 },
])("setting it to $set ends with 0, and whoever looks then with $looks", async ({ set, state, looks }) => {
  house.answers = stands(state);
  const told = await house.types("mcp", "set", set, "--reason", "a freeze");
  expect(told).toMatchObject({ code: 0, err: "" });
  expect(told.out).toContain(set.replace("-", " "));
  expect((await house.types("mcp", "switch")).code).toBe(looks);
});

test("a switch that stands otherwise than it was set is told", async () => {
  house.answers = stands(McpSwitch.OFF);
  expect((await house.types("mcp", "set", "on")).code).toBe(2);
});
