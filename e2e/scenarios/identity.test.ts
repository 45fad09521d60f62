/** Who may speak: join tokens, certificates that expire, nodes that are put out, operators without a token. */
import { Liveness } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { pause, until } from "../harness/until.js";

let stack: Stack;
let operator: Operator;
/** Agents' certificates live 36 s here. */
const CERTIFICATE_SECONDS = 36;

beforeAll(async () => {
  stack = await Stack.start({ args: ["--certificate-hours", String(CERTIFICATE_SECONDS / 3600)] });
  operator = stack.operator();
});
afterAll(() => stack?.stop());

const node = async (name: string) => {
  const { node: found } = await operator.fleet().getNode({ nodeId: name });
  if (found === undefined) throw new Error(`no node ${name}`);
  return found;
};
const live = (name: string) =>
  until(`${name} to be live`, async () => {
    const found = await node(name);
    return found.liveness === Liveness.LIVE ? found : undefined;
  });

describe("an agent's identity", () => {
  test("is renewed before it expires, over the same stream", async () => {
    await stack.startAgent("long-lived");
    const first = await live("long-lived");
    const renewed = await until(
      "a new certificate",
      async () => {
        const now = await node("long-lived");
        return now.certificateExpiresAt?.seconds !== first.certificateExpiresAt?.seconds ? now : undefined;
      },
      CERTIFICATE_SECONDS * 1_000,
    );
    expect(renewed.sessionGeneration).toBe(first.sessionGeneration);
  });

  test("that has expired is refused, said on both sides, and a new join token mends it", async () => {
    await stack.startAgent("sleeper");
    await live("sleeper");
    await stack.agent("sleeper").stop();
    await pause(CERTIFICATE_SECONDS * 1_000 + 2_000);
    await stack.startAgent("sleeper", {}, false);
    await stack.agent("sleeper").prints(/certificate ran out/);
    const lost = await node("sleeper");
    expect(lost.liveness).toBe(Liveness.LOST);
    expect(lost.livenessBecause).toMatch(/certificate/);
    await stack.agent("sleeper").stop();
    await stack.startAgent("sleeper");
    await live("sleeper");
  }, 120_000);

  test("taken away cuts the stream within two seconds, and it does not come back", async () => {
    await stack.startAgent("outlaw");
    await live("outlaw");
    await operator.fleet().revokeNode({ nodeId: "outlaw", reason: "left the company" });
    await stack.agent("outlaw").prints(/revoked/i, 3_000);
    await pause(2_000);
    expect((await node("outlaw")).liveness).toBe(Liveness.REVOKED);
  });

  test("needs a join token that was not used before", async () => {
    const { token } = await operator.fleet().createJoinToken({ nodeName: "twin" });
    await stack.startAgent("twin", { joinToken: token });
    await live("twin");
    await stack.startAgent("twin-2", { joinToken: token });
    await stack.agent("twin-2").prints(/token/i);
    const { nodes } = await operator.fleet().listNodes({});
    expect(nodes.map(({ name }) => name)).not.toContain("twin-2");
  });
});

describe("an operator", () => {
  test.each([
    "/api/mainstay/v1/nodes",
    "/api/v1/query?query=up",
    "/metrics",
    "/health/ready",
    "/health/detailed",
    "/openapi.json",
  ])("without a token gets nothing from %s", async (path) => {
    expect((await operator.rest(path, { token: "" })).status).toBe(401);
    expect((await operator.rest(path, { token: "mst_00000000_wrong" })).status).toBe(401);
    expect((await operator.rest(path)).status).toBeLessThan(500);
  });

  test.each(["/health", "/health/live"])("needs no token for %s", async (path) => {
    expect((await operator.rest(path, { token: "" })).status).toBe(200);
  });

  test("who may only look is refused what changes something", async () => {
    const viewer = await stack.person("vera", [1]);
    expect((await viewer.fleet().listNodes({})).nodes.length).toBeGreaterThan(0);
    await expect(viewer.fleet().createJoinToken({})).rejects.toMatchObject({ code: 7 });
    await expect(viewer.fleet().revokeNode({ nodeId: "long-lived" })).rejects.toMatchObject({ code: 7 });
  });
});
