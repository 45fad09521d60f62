import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { FailoverMessageSchema } from "../../gen/mainstay/agent/v1/failover_pb.js";
import type { Direct, Message } from "./messages.js";
import { localPolicy } from "./policy.js";
import { fromWire, policyName, toWire } from "./wire.js";

const every: readonly Direct[] = [
  { kind: "promise", epoch: 2 },
  { kind: "promote", epoch: 2 },
  { kind: "verify", epoch: 2 },
  { kind: "follow", epoch: 2, source: "db-1" },
  { kind: "step-down", epoch: 3 },
  { kind: "carry-on", epoch: 3 },
  { kind: "hold", epoch: 2, holders: [{ version: 4, members: ["db-2", "db-3"], required: 1 }] },
  {
    kind: "state",
    role: "replica",
    epoch: 2,
    promised: 3,
    lsn: 2 ** 40 + 7,
    surrendered: false,
    following: null,
    streaming: true,
    hearsPrimary: true,
    holders: [0, 1],
    heldVersion: -1,
  },
  {
    kind: "promised",
    epoch: 3,
    lsn: 77,
    logEpoch: 2,
    usable: true,
    detached: true,
    fenced: true,
    grantLeftMs: 12.5,
  },
  { kind: "promoted", epoch: 3, lsn: 77, outcome: "interrupted" },
  { kind: "verified", epoch: 3, lsn: 78 },
  { kind: "stepped-down", epoch: 3, lsn: 78 },
  { kind: "refused", order: "step-down", epoch: 3, promised: 4, because: "promised 4" },
  { kind: "lease-request", epoch: 3, round: 2 ** 31 + 5 },
  { kind: "lease-granted", epoch: 3, round: 2 ** 31 + 5 },
  { kind: "lease-refused", promised: 9 },
];

test("every message comes back as it was, direct and passed on", () => {
  for (const direct of every) {
    const ways: Message[] = [
      direct,
      { kind: "relay", to: "db-2", message: direct },
      { kind: "relayed", from: "db-1", message: direct },
    ];
    for (const message of ways) {
      const bytes = toBinary(FailoverMessageSchema, toWire("main", "p", message));
      expect(fromWire(fromBinary(FailoverMessageSchema, bytes))).toEqual(message);
    }
  }
});

test("what is no message is none", () => {
  const word = toWire("main", "p", { kind: "follow", epoch: 1, source: "x".repeat(64) });
  expect(fromWire(word)).toBeUndefined();
  const hold = toWire("main", "p", {
    kind: "hold",
    epoch: 1,
    holders: [{ version: 1, members: ["a"], required: 2 }],
  });
  expect(fromWire(hold)).toBeUndefined();
});

test("a policy's name is another when a lease is", () => {
  const policy = localPolicy(["a", "b"], { mode: "synchronous", rpoBytes: 0 });
  expect(policyName({ ...policy })).toBe(policyName(policy));
  expect(policyName({ ...policy, leaseMs: 3_001 })).not.toBe(policyName(policy));
});
