import { beforeEach, describe, expect, test } from "vitest";
import { OpsError } from "../errors.js";
import { Authenticator, bearerOf } from "./authenticate.js";
import type { Principal } from "./principal.js";

let now = 0;
let asked = 0;
let answer: () => Promise<Principal>;
const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
const vera: Principal = { name: "vera", roles: ["viewer"], tokenId: "t", expiresAt: undefined };
const known = async (): Promise<Principal> => vera;
const unknown = async (): Promise<Principal> => {
  throw new OpsError("UNAUTHENTICATED", "no");
};
const away = async (): Promise<Principal> => {
  throw new OpsError("UNAVAILABLE", "away");
};
let door: Authenticator;

beforeEach(() => {
  now = 1_000_000;
  asked = 0;
  answer = known;
  door = new Authenticator(() => {
    asked += 1;
    return answer();
  }, clock);
});

describe("an answer is believed", () => {
  test.each([
    ["good", known, 29_999, 1],
    ["good", known, 30_000, 2],
    ["bad", unknown, 2_999, 1],
    ["bad", unknown, 3_000, 2],
    ["none", away, 0, 2],
  ])("when it is %s, for its time: after %s %d ms it was asked %d times", async (_, say, later, times) => {
    answer = say;
    await door.identify("token");
    now += later;
    await door.identify("token");
    expect(asked).toBe(times);
  });

  test("no longer than the token itself lives", async () => {
    answer = async () => ({ ...vera, expiresAt: now + 5_000 });
    await door.identify("token");
    now += 5_000;
    answer = unknown;
    expect(await door.identify("token")).toEqual({ kind: "unknown" });
  });
});

test("many requests with one token at once ask once", async () => {
  const identities = await Promise.all(Array.from({ length: 50 }, () => door.identify("token")));
  expect(new Set(identities.map(({ kind }) => kind))).toEqual(new Set(["known"]));
  expect(asked).toBe(1);
});

test("many tokens at once are not all asked for", async () => {
  let release: (principal: Principal) => void = () => {};
  const held = new Promise<Principal>((resolve) => {
    release = resolve;
  });
  answer = () => held;
  const all = Array.from({ length: 100 }, (_, i) => door.identify(`token-${i}`));
  expect(asked).toBe(64);
  release(vera);
  expect((await Promise.all(all)).filter(({ kind }) => kind === "unavailable")).toHaveLength(36);
});

describe("while the control plane is away", () => {
  test.each([
    ["a caller known of late, for what the server tells of itself", 899_999, 900_000, "known"],
    ["a caller known long ago", 900_000, 900_000, "unavailable"],
    ["a caller known of late, for calls to the control plane", 30_000, 0, "unavailable"],
  ])("%s is %s", async (_, later, grace, kind) => {
    await door.identify("token");
    answer = away;
    now += later;
    expect((await door.identify("token", grace)).kind).toBe(kind);
  });

  test("a stranger is not said to be wrong", async () => {
    answer = away;
    expect(await door.identify("token", 900_000)).toEqual({ kind: "unavailable" });
  });
});

test("a thousand strangers push out the oldest, not the memory", async () => {
  for (let i = 0; i <= 1_000; i++) await door.identify(`token-${i}`);
  asked = 0;
  await door.identify("token-1000");
  expect(asked).toBe(0);
  await door.identify("token-0");
  expect(asked).toBe(1);
});

test.each([
  ["Bearer abc", "abc"],
  ["bearer   abc ", "abc"],
  ["Bearer", undefined],
  ["Bearer a b", undefined],
  ["Basic abc", undefined],
  [undefined, undefined],
])("the token of %s", (header, token) => {
  expect(bearerOf(header)).toBe(token);
});
