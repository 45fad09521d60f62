import { generateKeyPairSync, sign } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { SignedOrderSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { FakeAuthority } from "../testing/fake-authority.js";
import type { VerifiedOrder } from "./command.js";
import { judgeOrder, type OrderFacts } from "./judge-order.js";
import { readOrder } from "./verify-order.js";

const order: VerifiedOrder = {
  commandId: "c",
  nodeId: "n",
  action: "collect-diagnostics",
  argumentsJson: "{}",
  mode: "preview",
  generation: 5n,
  planHash: "",
  issuedAt: 0,
  expiresAt: 1000,
  timeoutMs: 1,
  outputBytesMax: 1,
  traceparent: "",
};
const facts: OrderFacts = {
  order,
  nodeId: "n",
  now: 999,
  isKnown: false,
  generationSeen: undefined,
  cancelledBecause: undefined,
  hasRoom: true,
  verdict: { kind: "allow", arguments: { action: "collect-diagnostics" } },
  plan: undefined,
};
const run: OrderFacts = {
  ...facts,
  order: { ...order, mode: "run", planHash: "h" },
  plan: { action: "collect-diagnostics", arguments: "{}" },
};

describe("what becomes of an order", () => {
  test.each<{ when: string; facts: OrderFacts; answer: object }>([
    { when: "all is well", facts, answer: { kind: "accept" } },
    {
      when: "it is for another node",
      facts: { ...facts, nodeId: "m" },
      answer: { kind: "refuse", because: "wrong-node", lasting: false },
    },
    {
      when: "a newer generation was seen",
      facts: { ...facts, generationSeen: 6n },
      answer: { because: "old-generation", lasting: false },
    },
    {
      when: "the same generation was seen",
      facts: { ...facts, generationSeen: 5n },
      answer: { kind: "accept" },
    },
    { when: "it is known", facts: { ...facts, isKnown: true }, answer: { kind: "repeat" } },
    {
      when: "it is known and has expired since",
      facts: { ...facts, isKnown: true, now: 5000 },
      answer: { kind: "repeat" },
    },
    { when: "it expires now", facts: { ...facts, now: 1000 }, answer: { because: "expired", lasting: true } },
    {
      when: "it was cancelled before",
      facts: { ...facts, cancelledBecause: "x" },
      answer: { because: "cancelled", lasting: true },
    },
    {
      when: "the policy denies it",
      facts: { ...facts, verdict: { kind: "deny", because: "not-allowed-here", detail: "d" } },
      answer: { because: "not-allowed-here", lasting: true },
    },
    {
      when: "there is no room",
      facts: { ...facts, hasRoom: false },
      answer: { because: "busy", lasting: false },
    },
    { when: "a run has its plan", facts: run, answer: { kind: "accept" } },
    {
      when: "a run names no plan of this agent",
      facts: { ...run, plan: undefined },
      answer: { because: "unknown-plan" },
    },
    {
      when: "a run names another action's plan",
      facts: { ...run, plan: { action: "clean-directory", arguments: "{}" } },
      answer: { because: "other-plan" },
    },
    {
      when: "a run has other arguments than its plan",
      facts: { ...run, plan: { action: "collect-diagnostics", arguments: '{"a":1}' } },
      answer: { because: "other-plan" },
    },
  ])("when $when", ({ facts: given, answer }) => {
    expect(judgeOrder(given, () => "{}")).toMatchObject(answer);
  });
});

describe("reading a signed order", () => {
  let authority: FakeAuthority;
  beforeAll(async () => {
    authority = await FakeAuthority.make();
  });
  const keys = () => [
    { keyId: authority.orderKey.keyId, spki: authority.orderKey.publicKey.toString("base64") },
  ];
  const good = () =>
    authority.signedOrder({
      commandId: "c-1",
      nodeId: "n",
      action: "a",
      mode: "run",
      generation: 3n,
      timeoutMs: 0,
    });

  test("a good one comes with its fields and with bounds where it has none", () => {
    const read = readOrder(good(), keys());
    expect(read).toMatchObject({
      kind: "verified",
      order: { commandId: "c-1", mode: "run", generation: 3n, timeoutMs: 300_000, outputBytesMax: 262_144 },
    });
  });

  test("any changed byte, of the order or of the signature, makes it worthless", () => {
    const whole = good();
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, by, inOrder) => {
        const bytes = Buffer.from(inOrder ? whole.order : whole.signature);
        const index = at % bytes.length;
        bytes.writeUInt8(bytes.readUInt8(index) ^ by, index);
        const changed = create(SignedOrderSchema, {
          ...whole,
          ...(inOrder ? { order: bytes } : { signature: bytes }),
        });
        return readOrder(changed, keys()).kind === "bad";
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    { what: "an unknown key", change: () => ({ keyId: "other" }), because: "unknown-key" },
    {
      what: "a signature by another key",
      change: () => ({ signature: sign(null, good().order, generateKeyPairSync("ed25519").privateKey) }),
      because: "bad-signature",
    },
    { what: "no signature", change: () => ({ signature: new Uint8Array() }), because: "bad-signature" },
    { what: "too many bytes", change: () => ({ order: new Uint8Array(300_000) }), because: "malformed" },
  ])("$what: $because", ({ change, because }) => {
    const signed = create(SignedOrderSchema, { ...good(), ...change() });
    expect(readOrder(signed, keys())).toMatchObject({ kind: "bad", because });
  });

  test("a key that is pinned but is no Ed25519 key verifies nothing", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({
      type: "spki",
      format: "der",
    });
    expect(
      readOrder(good(), [{ keyId: authority.orderKey.keyId, spki: rsa.toString("base64") }]),
    ).toMatchObject({ because: "bad-signature" });
  });
});
