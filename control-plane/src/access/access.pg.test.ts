import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import {
  CreateTokenRequestSchema,
  ListTokensRequestSchema,
  RevokeTokenRequestSchema,
  Role,
  WhoAmIRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readEntries } from "../journal/journal.module.js";
import type { Caller } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import { silentLogger } from "../platform/logger.js";
import type { Queryable } from "../platform/postgres/database.js";
import { sql } from "../platform/postgres/sql.js";
import { systemDraws } from "../platform/system.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { accessApi } from "./access.api.js";
import { Authenticator } from "./authenticate.js";
import { ensureLocalTokens } from "./local-token.js";
import { findToken } from "./principals.store.js";
import { endToken, makeToken } from "./tokens.js";

const START = Date.UTC(2026, 10, 22);
const fake = fakeSystem(START);
const system = { clock: fake.clock, draws: systemDraws };
const admin: Caller = { actor: { kind: "human", name: "root" }, roles: ["admin"], tokenId: "t" };
const context: CallContext = {
  caller: admin,
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
  signal: new AbortController().signal,
};

let db: TestDatabase;
let away = false;
let asked = 0;
/** What a query waits for before it is asked. */
let hold: Promise<void> | undefined;
/** PostgreSQL, which the test can take away. */
const database: Queryable = {
  query: (statement) => {
    asked += 1;
    if (away) return Promise.reject(new OpsError("UNAVAILABLE", "PostgreSQL is away"));
    const held = hold;
    return held === undefined ? db.database.query(statement) : held.then(() => db.database.query(statement));
  },
};
let authenticator: Authenticator;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.close());
beforeEach(() => {
  away = false;
  asked = 0;
  hold = undefined;
  fake.clock.set(START);
  authenticator = new Authenticator({ database, clock: fake.clock, logger: silentLogger });
});

const make = (validFor: number | undefined = undefined) =>
  makeToken(
    { database: db.database, system },
    { name: "ada", kind: "human", roles: ["viewer", "operator"], validFor, by: admin.actor },
  );

describe("a bearer token", () => {
  test("speaks for its principal, and only its hash is kept", async () => {
    const { text, token } = await make();
    expect(text).toMatch(/^mst_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    expect(await authenticator.authenticate(text)).toEqual({
      actor: { kind: "human", name: "ada" },
      roles: ["viewer", "operator"],
      tokenId: token.tokenId,
    });
    const secret = text.slice(text.indexOf("_", 4) + 1);
    const rows = await db.database.query<{ row: string }>(sql`
      select t::text as row from access_token t union all select e::text from journal_entry e`);
    expect(rows.some(({ row }) => row.includes(secret))).toBe(false);
  });

  test.each([
    { what: "none", text: undefined, because: "a bearer token is needed" },
    {
      what: "nonsense",
      text: "nonsense",
      because: "the bearer token is malformed: expected mst_<id>_<secret>",
    },
    {
      what: "one of an unknown id",
      text: `mst_${"0".repeat(16)}_${"A".repeat(43)}`,
      because: "the bearer token is unknown",
    },
  ])("is refused: $what", async ({ text, because }) => {
    await expect(authenticator.authenticate(text)).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: because,
    });
  });

  test("is refused with another secret, in the same words as an unknown one", async () => {
    const { text } = await make();
    const other = `${text.slice(0, -3)}${text.endsWith("AAA") ? "BBB" : "AAA"}`;
    await expect(authenticator.authenticate(other)).rejects.toThrow("the bearer token is unknown");
  });

  test("counts until the millisecond before its end, from what is kept too", async () => {
    const { text } = await make(2 * SECOND);
    fake.clock.set(START + 2 * SECOND - 1);
    await authenticator.authenticate(text);
    fake.clock.set(START + 2 * SECOND);
    await expect(authenticator.authenticate(text)).rejects.toThrow("the token has expired");
    expect(asked).toBeLessThanOrEqual(2);
  });

  test("that is revoked elsewhere is refused 5 s later at the latest, and at once where it was forgotten", async () => {
    const { text, token } = await make();
    await authenticator.authenticate(text);
    await endToken({ database: db.database, system }, token.tokenId, admin.actor);
    fake.clock.advance(4_999);
    await authenticator.authenticate(text);
    fake.clock.advance(1);
    await expect(authenticator.authenticate(text)).rejects.toThrow("the token was revoked");

    const second = await make();
    await authenticator.authenticate(second.text);
    await endToken({ database: db.database, system }, second.token.tokenId, admin.actor);
    authenticator.forget(second.token.tokenId);
    await expect(authenticator.authenticate(second.text)).rejects.toThrow("the token was revoked");
  });

  test("is noted as used once a minute", async () => {
    const { text, token } = await make();
    const lastUsed = async () => (await findToken(db.database, token.tokenId))?.token.lastUsedAt;
    await authenticator.authenticate(text);
    await expect.poll(lastUsed).toBe(START);
    fake.clock.advance(MINUTE - 1);
    await authenticator.authenticate(text);
    fake.clock.advance(1);
    await authenticator.authenticate(text);
    await expect.poll(lastUsed).toBe(START + MINUTE);
  });

  test("that was seen goes on counting for an hour while PostgreSQL is away; one that was not does not", async () => {
    const { text } = await make();
    const unseen = await make();
    await authenticator.authenticate(text);
    away = true;
    fake.clock.advance(HOUR - 1);
    await authenticator.authenticate(text);
    const before = asked;
    await authenticator.authenticate(text);
    expect(asked).toBe(before);
    await expect(authenticator.authenticate(unseen.text)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    fake.clock.advance(1);
    await expect(authenticator.authenticate(text)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    away = false;
    await authenticator.authenticate(text);
  });

  test("that was seen does not wait for a slow PostgreSQL; what that says late counts from then on", async () => {
    const { text, token } = await make();
    await authenticator.authenticate(text);
    await endToken({ database: db.database, system }, token.tokenId, admin.actor);
    fake.clock.advance(5 * SECOND);
    let release = (): void => {};
    hold = new Promise((resolve) => {
      release = resolve;
    });
    const asking = authenticator.authenticate(text);
    fake.clock.advance(SECOND / 2);
    await expect(asking).resolves.toMatchObject({ tokenId: token.tokenId });
    hold = undefined;
    release();
    await expect
      .poll(() => authenticator.authenticate(text).catch((error: Error) => error.message))
      .toBe("the token was revoked");
  });
});

describe("AccessService", () => {
  const api = () => accessApi({ database: db.database, system, authenticator });

  test("makes, lists and ends tokens, each with its entry in the journal", async () => {
    const made = await api().createToken(
      create(CreateTokenRequestSchema, { name: "grace", roles: [Role.APPROVER], validSeconds: 60n }),
      context,
    );
    const caller = await authenticator.authenticate(made.token);
    expect(caller).toMatchObject({ actor: { name: "grace" }, roles: ["approver"] });
    const me = await api().whoAmI(create(WhoAmIRequestSchema), { ...context, caller });
    expect(me).toMatchObject({ name: "grace", roles: [Role.APPROVER], tokenId: made.tokenId });

    await api().revokeToken(create(RevokeTokenRequestSchema, { tokenId: made.tokenId ?? "" }), context);
    await api().revokeToken(create(RevokeTokenRequestSchema, { tokenId: made.tokenId ?? "" }), context);
    await expect(authenticator.authenticate(made.token)).rejects.toThrow("revoked");
    const { tokens } = await api().listTokens(create(ListTokensRequestSchema), context);
    expect(tokens?.find(({ tokenId }) => tokenId === made.tokenId)).toMatchObject({ name: "grace" });
    expect(JSON.stringify(tokens, (_, v) => (typeof v === "bigint" ? String(v) : v))).not.toContain("mst_");
    const entries = await readEntries(db.database, { subject: `token:${made.tokenId}`, limit: 10 });
    expect(entries.map(({ kind, actor, because }) => [kind, actor.name, because])).toEqual([
      ["token.created", "root", "root made a token for grace"],
      ["token.revoked", "root", "root revoked the token of grace"],
    ]);
  });

  test.each([
    { what: "no name", wish: { name: "", roles: [Role.VIEWER] }, because: 'name "" is not 1 to 63 plain' },
    { what: "a name of control characters", wish: { name: "a\nb", roles: [Role.VIEWER] }, because: "plain" },
    { what: "no roles", wish: { name: "a", roles: [] }, because: "at least one role is needed" },
    { what: "no role", wish: { name: "a", roles: [Role.UNSPECIFIED] }, because: "roles: 0 is not a role" },
    {
      what: "an endless validity",
      wish: { name: "a", roles: [Role.VIEWER], validSeconds: 1n << 60n },
      because: "more than ten years",
    },
  ])("refuses to make a token with $what", async ({ wish, because }) => {
    await expect(api().createToken(create(CreateTokenRequestSchema, wish), context)).rejects.toThrow(because);
  });

  test("does not find a token that is not there", async () => {
    const request = create(RevokeTokenRequestSchema, { tokenId: "nope" });
    await expect(api().revokeToken(request, context)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("the local operator's token", () => {
  test("is made once, for its owner alone, and again when it no longer counts", async () => {
    const stateDir = await mkdtemp(join(tmpdir(), "mainstay-local-"));
    try {
      const deps = { database: db.database, system, authenticator, stateDir };
      const { operator: path, mcp } = await ensureLocalTokens(deps);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      const text = (await readFile(path, "utf8")).trim();
      expect((await authenticator.authenticate(text)).roles).toEqual(["admin"]);
      await ensureLocalTokens(deps);
      expect((await readFile(path, "utf8")).trim()).toBe(text);
      await writeFile(path, "mst_broken");
      await ensureLocalTokens(deps);
      const next = (await readFile(path, "utf8")).trim();
      expect(next).not.toBe(text);
      expect((await authenticator.authenticate(next)).actor.name).toBe("local-operator");
      // What an AI client asks for is asked by another principal, so that the local user may approve it.
      expect(await authenticator.authenticate((await readFile(mcp, "utf8")).trim())).toMatchObject({
        actor: { kind: "mcp", name: "local-mcp" },
        roles: ["operator"],
      });
    } finally {
      await rm(stateDir, { recursive: true, force: true });
    }
  });
});
