import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeId } from "../../kernel/ids.js";
import { isNodeName, nodeNameOf } from "./agent.js";
import {
  decideEnrolment,
  type EnrolmentFacts,
  formatJoinToken,
  type JoinToken,
  type NameHolder,
  parseJoinToken,
} from "./join-token.js";

const NOW = 1_000_000;
const token: JoinToken = {
  id: "0".repeat(16),
  nodeName: undefined,
  expiresAt: NOW + 1,
  usedAt: undefined,
  usedByNode: undefined,
  usedByKey: undefined,
};
const holder: NameHolder = { nodeId: nodeId("n-1"), keyHash: "key-1", liveness: "live" };
const facts: EnrolmentFacts = {
  token,
  keyHash: "key-1",
  wishedName: "db-1",
  hostName: "host",
  holder: undefined,
};

describe("decideEnrolment", () => {
  test.each<{
    when: string;
    change?: Partial<EnrolmentFacts>;
    token?: Partial<JoinToken>;
    gives: Record<string, unknown>;
  }>([
    { when: "the name is free", gives: { kind: "new", name: "db-1", distinct: false } },
    { when: "no name is asked for", change: { wishedName: "" }, gives: { kind: "new", name: "host" } },
    {
      when: "the token names the node and the agent none",
      change: { wishedName: "" },
      token: { nodeName: "web-1" },
      gives: { kind: "new", name: "web-1" },
    },
    {
      when: "the token names another node",
      token: { nodeName: "web-1" },
      gives: {
        kind: "refused",
        code: "INVALID_ARGUMENT",
        because: 'the join token is for node "web-1", not "db-1"',
      },
    },
    { when: "1 ms is left", token: { expiresAt: NOW + 1 }, gives: { kind: "new" } },
    {
      when: "the token ends now",
      token: { expiresAt: NOW },
      gives: { kind: "refused", code: "UNAUTHENTICATED", because: "the join token has expired" },
    },
    {
      when: "the token was used by another key",
      token: { usedAt: 1, usedByKey: "key-2" },
      gives: { kind: "refused", code: "UNAUTHENTICATED" },
    },
    {
      when: "the token was used by the same key, whose answer was lost",
      change: { holder },
      token: { usedAt: 1, usedByKey: "key-1" },
      gives: { kind: "again", nodeId: "n-1", newKey: false },
    },
    {
      when: "the name is no name",
      change: { wishedName: "DB_1" },
      gives: { kind: "refused", code: "INVALID_ARGUMENT" },
    },
    { when: "the node has the same key", change: { holder }, gives: { kind: "again", newKey: false } },
    {
      when: "a live node has another key",
      change: { holder, keyHash: "key-2" },
      gives: {
        kind: "refused",
        code: "ALREADY_EXISTS",
        because: 'node "db-1" is live and holds another key; revoke it first, or take another name',
      },
    },
    {
      when: "a late node has another key",
      change: { holder: { ...holder, liveness: "late" }, keyHash: "key-2" },
      gives: { kind: "refused", code: "ALREADY_EXISTS" },
    },
    {
      when: "a lost node has another key",
      change: { holder: { ...holder, liveness: "lost" }, keyHash: "key-2" },
      gives: {
        kind: "again",
        nodeId: "n-1",
        newKey: true,
        because: "the node was lost and enrolled again with a new key",
      },
    },
    {
      when: "the host's name is taken by a lost node, and nobody asked for it",
      change: { wishedName: "", holder: { ...holder, liveness: "lost" }, keyHash: "key-2" },
      gives: { kind: "new", name: "host", distinct: true },
    },
  ])("when $when", ({ change, token: tokenChange, gives }) => {
    const all = { ...facts, ...change, token: { ...token, ...tokenChange } };
    expect(decideEnrolment(all, NOW)).toMatchObject(gives);
  });

  test("never gives a live node's name to another key, whatever else is so", () => {
    const name = fc.constantFrom("", "db-1", "web-1");
    fc.assert(
      fc.property(
        fc.record({ nodeName: fc.option(name, { nil: undefined }), used: fc.boolean(), late: fc.boolean() }),
        name,
        ({ nodeName, used, late }, wishedName) => {
          const verdict = decideEnrolment(
            {
              ...facts,
              wishedName,
              keyHash: "key-2",
              holder: { ...holder, liveness: late ? "late" : "live" },
              token: {
                ...token,
                nodeName,
                usedAt: used ? 1 : undefined,
                usedByKey: used ? "key-2" : undefined,
              },
            },
            NOW,
          );
          return verdict.kind !== "again";
        },
      ),
    );
  });
});

describe("a join token's text", () => {
  test("is read back as it was written", () => {
    const parts = { id: "0123456789abcdef", secret: `${"_-".repeat(21)}a`, fingerprint: "f".repeat(64) };
    expect(parseJoinToken(formatJoinToken(parts))).toEqual(parts);
    expect(parseJoinToken(`${formatJoinToken(parts)}0`)).toBeUndefined();
    expect(parseJoinToken("")).toBeUndefined();
  });
});

describe("a node's name", () => {
  test.each([
    ["db-1", true],
    ["a", true],
    ["a".repeat(63), true],
    ["a".repeat(64), false],
    ["", false],
    ["-a", false],
    ["a-", false],
    ["A", false],
    ["a.b", false],
    ["a\n", false],
  ])("%j: %s", (name, is) => {
    expect(isNodeName(name)).toBe(is);
  });

  test("can be made of every host's name", () => {
    expect(nodeNameOf("DB_1.example.com")).toBe("db-1");
    expect(nodeNameOf("...")).toBe("node");
    fc.assert(fc.property(fc.string(), (hostname) => isNodeName(nodeNameOf(hostname))));
  });
});
