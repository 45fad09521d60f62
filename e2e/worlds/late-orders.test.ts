/** Orders that were accepted in time and whose time ran out before they began: clocks that are set back, disks that are full. */
import { generateKeyPairSync, sign } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { OrderMode, OrderSchema, SignedOrderSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { expect, test } from "vitest";
import { ALLOWED, MadeHost, NODE } from "./made-host.js";

const BEGIN = 1_700_000_000_000;
const HOUR = 3_600_000;
const keys = generateKeyPairSync("ed25519");
const key = {
  keyId: "order-1",
  spki: keys.publicKey.export({ type: "spki", format: "der" }).toString("base64"),
};
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A host that has taken an order, which expires a minute later, and has not begun it. */
async function accepted(waitsFor: "another order" | "the disk") {
  let now = BEGIN;
  const host = new MadeHost(key, () => now);
  const pass = async (ms: number): Promise<void> => {
    now += ms;
    host.turn(ms);
    await settled();
  };
  const order = async (commandId: string, mode: "preview" | "run", minutes: number): Promise<void> => {
    const planHash = mode === "run" ? planOf(host, commandId) : "";
    const bytes = toBinary(
      OrderSchema,
      create(OrderSchema, {
        ...{
          commandId,
          nodeId: NODE,
          action: "clean-directory",
          generation: mode === "run" ? 2n : 1n,
          planHash,
        },
        argumentsJson: JSON.stringify({ path: `${ALLOWED}/${commandId}` }),
        mode: mode === "run" ? OrderMode.RUN : OrderMode.PREVIEW,
        expiresAt: timestampFromMs(BEGIN + minutes * 60_000),
        timeoutMs: 24 * HOUR,
      }),
    );
    const signature = sign(null, bytes, keys.privateKey);
    host.order(create(SignedOrderSchema, { order: bytes, keyId: key.keyId, signature }));
    await settled();
  };
  await host.start();
  host.connect(now);
  for (const id of ["first", "late"]) await order(id, "preview", 1);
  if (waitsFor === "another order") await order("first", "run", 1);
  else host.setDisk("slow");
  await order("late", "run", 1);
  if (waitsFor === "the disk") {
    // Accepted; that it begins is what the disk does not take.
    host.sync();
    await settled();
  }
  return { host, pass };
}

const planOf = (host: MadeHost, id: string): string => {
  const last = host.journal?.find(id, "preview")?.events.at(-1)?.body;
  return last?.kind === "finished" ? last.planHash : "";
};

const done = (host: MadeHost): boolean => host.effects.some(({ path }) => path === `${ALLOWED}/late`);

const endOf = (host: MadeHost) => host.journal?.find("late", "run")?.events.at(-1)?.body;

test("it runs when its turn comes in time", async () => {
  const { host } = await accepted("another order");
  host.finish();
  await settled();
  expect(done(host)).toBe(true);
});

test("it waits behind another, expires, and the host's clock is set back before its turn comes", async () => {
  const { host, pass } = await accepted("another order");
  await pass(5 * 60_000);
  host.setClock(-HOUR);
  host.finish();
  await settled();
  expect(done(host)).toBe(false);
  expect(endOf(host)).toMatchObject({ kind: "refused", because: "expired" });
});

test("the agent dies before its turn, and comes back when the clock was set back", async () => {
  const { host, pass } = await accepted("another order");
  await pass(5 * 60_000);
  host.setClock(-HOUR);
  host.kill(0);
  await host.start();
  await settled();
  expect(done(host)).toBe(false);
  expect(endOf(host)).toMatchObject({ kind: "refused", because: "expired" });
});

test.each([
  { what: "it expires", ms: 5 * 60_000, drifts: false, because: /until it expired/ },
  { what: "the world changes", ms: 5_000, drifts: true, because: /the world has changed meanwhile/ },
])("the disk does not take that it begins, and $what", async ({ ms, drifts, because }) => {
  const { host, pass } = await accepted("the disk");
  expect(endOf(host)?.kind).toBe("accepted");
  await pass(ms);
  if (drifts) host.change(`${ALLOWED}/late`, 7);
  host.setDisk("good");
  host.sync();
  await settled();
  expect(done(host)).toBe(false);
  expect(host.outrun, "left to the action to find out").toBe(0);
  expect(endOf(host)).toMatchObject({
    kind: "finished",
    outcome: "failed",
    summary: expect.stringMatching(because),
  });
});
