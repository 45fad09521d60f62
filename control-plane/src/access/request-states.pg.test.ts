import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  GetStateKeyRequestSchema,
  UseStateRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/request_states_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HOUR, MINUTE } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import { sql } from "../platform/postgres/sql.js";
import { systemDraws } from "../platform/system.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../platform/testing/test-database.js";
import { requestStatesApi } from "./request-states.api.js";

const START = Date.UTC(2026, 10, 22);
const { clock } = fakeSystem(START);
let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.close());

/** A replica of its own, on the one database. */
const replica = () => requestStatesApi({ database: db.database, system: { clock, draws: systemDraws } });
const by = (kind: "mcp" | "human"): CallContext => ({
  caller: { actor: { kind, name: "local-mcp" }, roles: ["operator"], tokenId: "t" },
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
  signal: new AbortController().signal,
});
const use = (stateId: string, expiresAt: number) =>
  create(UseStateRequestSchema, { stateId, expiresAt: timestampFromMs(expiresAt) });

test("replicas that ask for the key at once are given the same", async () => {
  const asked = Array.from({ length: 5 }, () =>
    replica().getStateKey(create(GetStateKeyRequestSchema), by("mcp")),
  );
  const keys = (await Promise.all(asked)).map(({ key }) => Buffer.from(key ?? []).toString("hex"));
  expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(keys).size).toBe(1);
});

test("of many uses at once on several replicas one is the first", async () => {
  const uses = Array.from({ length: 10 }, () =>
    replica().useState(use("ab".repeat(16), START + MINUTE), by("mcp")),
  );
  expect((await Promise.all(uses)).filter(({ first }) => first)).toHaveLength(1);
});

test("a use is forgotten only when its state has long ended", async () => {
  const states = replica();
  await states.useState(use("cd".repeat(16), START + MINUTE), by("mcp"));
  const kept = async () =>
    (await db.database.query(sql`select 1 from used_request_state where state_id = ${"cd".repeat(16)}`))
      .length;
  await states.useState(use("01".repeat(16), START + MINUTE), by("mcp"));
  expect(await kept()).toBe(1);
  await db.database.query(
    sql`update used_request_state set expires_at = ${new Date(START - 1)} where state_id = ${"cd".repeat(16)}`,
  );
  await states.useState(use("02".repeat(16), START + MINUTE), by("mcp"));
  expect(await kept()).toBe(0);
});

test.each([
  ["not hex", "x".repeat(32), START + MINUTE],
  ["too short", "ab", START + MINUTE],
  ["good for a day", "ef".repeat(16), START + 24 * HOUR],
])("a state that is %s is refused", async (_, id, end) => {
  await expect(replica().useState(use(id, end), by("mcp"))).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});

test("nobody but an MCP server is given the key or may use a state up", async () => {
  await expect(replica().getStateKey(create(GetStateKeyRequestSchema), by("human"))).rejects.toMatchObject({
    code: "PERMISSION_DENIED",
  });
  await expect(replica().useState(use("ab".repeat(16), START), by("human"))).rejects.toMatchObject({
    code: "PERMISSION_DENIED",
  });
});
