import { beforeEach, describe, expect, test } from "vitest";
import type { Delegation } from "../control-plane/access.js";
import { OpsError } from "../errors.js";
import type { AccessToken } from "./access-token.js";
import { Delegations } from "./delegations.js";

const MINUTE = 60_000;
let now = 1_000_000;
let issued = 0;
let fault: OpsError | undefined;
const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
let delegations: Delegations;
const access = (change: Partial<AccessToken> = {}): AccessToken => ({
  issuer: "https://idp",
  subject: "vera",
  client: "claude",
  scopes: ["mainstay:read"],
  claims: [],
  expiresAt: now + 60 * MINUTE,
  ...change,
});

beforeEach(() => {
  now = 1_000_000;
  issued = 0;
  fault = undefined;
  delegations = new Delegations(async (_access, notAfter): Promise<Delegation> => {
    if (fault !== undefined) throw fault;
    issued += 1;
    return {
      token: `msd_${issued}`,
      expiresAt: Math.min(now + 5 * MINUTE, notAfter),
      name: "claude for vera@idp",
      tokenId: String(issued),
      roles: ["viewer"],
      rolesWithAllScopes: ["operator"],
    };
  }, clock);
});

const enter = async (change: Partial<AccessToken> = {}): Promise<string> =>
  (await delegations.enter(access(change))).grant?.credential ?? "";

test("a principal goes by a name that is no credential and not its token; the line gets a credential", async () => {
  const credential = await enter();
  expect(credential).toMatch(/^delegation:[0-9a-f]{64}$/);
  expect(await delegations.resolve(credential)).toBe("msd_1");
  expect(await delegations.resolve("mst_static")).toBe("mst_static");
});

test("a new token of the same principal is the same; another scope, client or issuer is another", async () => {
  const first = await enter();
  expect(await enter({ expiresAt: now + 90 * MINUTE })).toBe(first);
  const others = [
    await enter({ scopes: ["mainstay:read", "mainstay:plan"] }),
    await enter({ client: "cursor" }),
    await enter({ issuer: "https://other" }),
    await enter({ claims: [{ name: "groups", values: ["ops"] }] }),
  ];
  expect(new Set([first, ...others]).size).toBe(5);
});

describe("a credential", () => {
  test("is renewed before it ends, once for many calls", async () => {
    const credential = await enter();
    now += 3 * MINUTE;
    await delegations.resolve(credential);
    expect(issued).toBe(1);
    now += 1.5 * MINUTE;
    await Promise.all(Array.from({ length: 20 }, () => delegations.resolve(credential)));
    expect(issued).toBe(2);
  });

  test("is not renewed beyond the access token's end", async () => {
    const credential = await enter({ expiresAt: now + 30_000 });
    expect(await delegations.resolve(credential)).toBe("msd_1");
    now += 29_999;
    expect(await delegations.resolve(credential)).toBe("msd_1");
    now += 1;
    await expect(delegations.resolve(credential)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(issued).toBe(1);
  });

  test("that the control plane refused is asked for anew, and denied when the rule is gone", async () => {
    const credential = await enter();
    delegations.refused(credential);
    expect(await delegations.resolve(credential)).toBe("msd_2");
    delegations.refused(credential);
    fault = new OpsError("PERMISSION_DENIED", "no rule");
    await expect(delegations.resolve(credential)).rejects.toThrow("no rule");
  });

  test("serves to its end while the control plane cannot give another", async () => {
    const credential = await enter();
    fault = new OpsError("UNAVAILABLE", "away");
    now += 4.5 * MINUTE;
    expect(await delegations.resolve(credential)).toBe("msd_1");
    now += MINUTE;
    await expect(delegations.resolve(credential)).rejects.toThrow("away");
  });
});
