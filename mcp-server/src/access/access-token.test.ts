import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { system } from "../system.js";
import { FakeIssuer } from "../testing/issuer.js";
import { AccessTokens } from "./access-token.js";
import { metadataUrls } from "./issuer.js";
import { isPrivateUrl } from "./private-url.js";

const RESOURCE = "https://mcp.example.org/mcp";
const provider = new FakeIssuer();
const other = new FakeIssuer();
let ahead = 0;
const clock = {
  ...system.clock,
  now: () => system.clock.now() + ahead,
  monotonic: () => system.clock.monotonic() + ahead,
};
let tokens: AccessTokens;

beforeAll(async () => {
  await provider.start();
  await other.start();
});
afterAll(() => {
  provider.stop();
  other.stop();
});
beforeEach(() => {
  ahead = 0;
  provider.asked = [];
  provider.answers = true;
  provider.metadata = undefined;
  const settings = { issuers: [provider.issuer, other.issuer], resource: RESOURCE, claims: ["groups"] };
  tokens = new AccessTokens(settings, clock, fetch);
});

const code = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "OK",
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );

test("a good token tells whose it is, what for, until when, and the claims that were asked for", async () => {
  const claims = { scope: "openid mainstay:plan mainstay:read", groups: ["ops"], email: "v@example.org" };
  const read = await tokens.verify(await provider.token(claims, { audience: RESOURCE }));
  expect(read).toMatchObject({
    issuer: provider.issuer,
    subject: "vera",
    client: "claude",
    scopes: ["mainstay:read", "mainstay:plan"],
    claims: [{ name: "groups", values: ["ops"] }],
  });
  expect(read.expiresAt).toBeGreaterThan(system.clock.now());
  expect(JSON.stringify(read)).not.toContain("v@example.org");
});

test("several issuers are trusted, each with its own keys", async () => {
  expect(await code(tokens.verify(await other.token({}, { audience: RESOURCE })))).toBe("OK");
});

describe("refused is a token", () => {
  test.each<[string, () => Promise<string>]>([
    ["for another server", () => provider.token({}, { audience: "https://other.example.org/mcp" })],
    ["that has ended", () => provider.token({}, { audience: RESOURCE, expires: 1 })],
    ["that is an ID token by its type", () => provider.token({}, { audience: RESOURCE, typ: "id+jwt" })],
    [
      "of another issuer that claims to be this one",
      async () =>
        new SignJWT({ sub: "vera" })
          .setProtectedHeader({ alg: "HS256", kid: "one" })
          .setIssuer(provider.issuer)
          .setAudience(RESOURCE)
          .setExpirationTime("1h")
          .sign(new TextEncoder().encode("the public key as a shared secret")),
    ],
    [
      "without a signature",
      async () => {
        const [, body = ""] = (await provider.token({}, { audience: RESOURCE })).split(".");
        return `${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.AAAA`;
      },
    ],
    [
      "of an issuer that is not trusted",
      async () => {
        const stranger = new FakeIssuer();
        await stranger.start();
        stranger.stop();
        return stranger.token({}, { audience: RESOURCE });
      },
    ],
    ["that is no token", async () => "ey.ey.ey"],
    [
      "that was changed",
      async () => {
        const [head, , signature] = (await provider.token({}, { audience: RESOURCE })).split(".");
        const [, body] = (await provider.token({ sub: "root" }, { audience: RESOURCE })).split(".");
        return `${head}.${body}.${signature}`;
      },
    ],
  ])("%s", async (_, make) => {
    const token = await make();
    const refused: unknown = await tokens.verify(token).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "UNAUTHENTICATED" });
    expect(String(refused)).not.toContain(token);
  });
});

describe("keys", () => {
  test("are fetched once for many tokens", async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, i) => provider.token({ sub: `u${i}` }, { audience: RESOURCE })),
    );
    await Promise.all(made.map((token) => tokens.verify(token)));
    expect(provider.asked.filter((path) => path === "/jwks")).toHaveLength(1);
  });

  test("that are new are found, and unknown ones do not make this server ask without end", async () => {
    await tokens.verify(await provider.token({}, { audience: RESOURCE }));
    const before = await provider.token({}, { audience: RESOURCE });
    await provider.rotate("two");
    const fresh = new AccessTokens(
      { issuers: [provider.issuer], resource: RESOURCE, claims: [] },
      clock,
      fetch,
    );
    expect(await code(fresh.verify(await provider.token({}, { audience: RESOURCE })))).toBe("OK");
    provider.asked = [];
    for (let i = 0; i < 10; i++) expect(await code(fresh.verify(before))).toBe("UNAUTHENTICATED");
    expect(provider.asked.length).toBeLessThanOrEqual(1);
  });

  test("of a provider that is away are not known, which is not the token's fault; then it is asked again", async () => {
    provider.answers = false;
    const token = await provider.token({}, { audience: RESOURCE });
    expect(await code(tokens.verify(token))).toBe("UNAVAILABLE");
    const asked = provider.asked.length;
    expect(await code(tokens.verify(token))).toBe("UNAVAILABLE");
    expect(provider.asked).toHaveLength(asked);
    provider.answers = true;
    ahead = 3_000;
    expect(await code(tokens.verify(token))).toBe("OK");
  });

  test.each([
    ["another issuer", { issuer: "https://evil.example.org", jwks_uri: "https://evil.example.org/jwks" }],
    ["keys in the clear", { jwks_uri: "http://evil.example.org/jwks" }],
    ["no keys", {}],
    ["too much", { filler: "x".repeat(300_000) }],
  ])("are not taken from metadata that name %s", async (_, metadata) => {
    provider.metadata = { issuer: provider.issuer, ...metadata };
    const token = await provider.token({}, { audience: RESOURCE });
    expect(await code(tokens.verify(token))).toBe("UNAVAILABLE");
  });
});

test("metadata are looked for where RFC 8414 and OpenID Connect put them", () => {
  expect(metadataUrls("https://idp.example.org")).toEqual([
    "https://idp.example.org/.well-known/oauth-authorization-server",
    "https://idp.example.org/.well-known/openid-configuration",
  ]);
  expect(metadataUrls("https://idp.example.org/realms/ops")).toContain(
    "https://idp.example.org/realms/ops/.well-known/openid-configuration",
  );
});

test.each([
  ["https://idp.example.org", true],
  ["http://127.0.0.1:8080", true],
  ["http://localhost", true],
  ["http://idp.example.org", false],
  ["https://user:secret@idp.example.org", false],
  ["ftp://idp.example.org", false],
  ["idp", false],
])("%s is private: %s", (url, is) => {
  expect(isPrivateUrl(url)).toBe(is);
});
