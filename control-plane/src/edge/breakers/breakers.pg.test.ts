import { create } from "@bufbuild/protobuf";
import {
  BreakerState,
  ListBreakersRequestSchema,
  ResetBreakerRequestSchema,
  TripBreakerRequestSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/breakers_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readEntries } from "../../journal/journal.module.js";
import { createBreakers, guardOf } from "../../platform/breakers.js";
import type { CallContext } from "../../platform/call.js";
import { silentLogger } from "../../platform/logger.js";
import { Metrics } from "../../platform/metrics.js";
import { Database } from "../../platform/postgres/database.js";
import { fakeSystem } from "../../platform/testing/fake-system.js";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/test-database.js";
import { breakersApi } from "./breakers.api.js";

const { clock } = fakeSystem();
const context: CallContext = {
  caller: { actor: { kind: "human", name: "ada" }, roles: ["operator"], tokenId: "t" },
  trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
  signal: new AbortController().signal,
};
const breakers = createBreakers({ clock, logger: silentLogger, metrics: new Metrics(), openFor: 60_000 });
const call = guardOf(breakers);
let fixture: TestDatabase;
let api: ReturnType<typeof breakersApi>;

beforeAll(async () => {
  fixture = await createTestDatabase();
  api = breakersApi({ breakers, database: fixture.database, clock });
  await call("https://vault.example:8200", async () => "well");
}, 60_000);
afterAll(() => fixture.close());

const name = "https://vault.example:8200";
const list = async () => (await api.listBreakers(create(ListBreakersRequestSchema), context)).breakers ?? [];
const trip = (more: object = {}) =>
  api.tripBreaker(create(TripBreakerRequestSchema, { name, reason: "it loses writes", ...more }), context);
const reset = () => api.resetBreaker(create(ResetBreakerRequestSchema, { name, reason: "mended" }), context);
const told = async () =>
  (await readEntries(fixture.database, { subject: `breaker:${name}`, limit: 9 })).map(
    ({ kind, because }) => `${kind}: ${because}`,
  );

test("a person trips one and resets it: calls are refused meanwhile, and the journal says by whom", async () => {
  expect(await list()).toMatchObject([{ name, state: BreakerState.CLOSED, refused: 0n }]);
  expect(await trip()).toMatchObject({ breaker: { state: BreakerState.OPEN } });
  await expect(call(name, async () => "asked")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  // Whoever trips by hand resets by hand: no time ends it.
  clock.advance(3_600_000);
  await expect(call(name, async () => "asked")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(await list()).toMatchObject([
    { state: BreakerState.OPEN, because: "tripped by ada: it loses writes", refused: 2n },
  ]);
  expect((await list())[0]?.nextTryAt).toBeUndefined();
  expect(await reset()).toMatchObject({ breaker: { state: BreakerState.CLOSED } });
  expect(await call(name, async () => "asked")).toBe("asked");
  expect((await told()).sort()).toEqual([
    "breaker.reset: reset by ada: mended",
    "breaker.tripped: tripped by ada: it loses writes",
  ]);
});

test("one that is not there cannot be tripped, nor one with a reason that has no end", async () => {
  await expect(trip({ name: "volt" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(trip({ reason: "x".repeat(1_001) })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await list()).toMatchObject([{ state: BreakerState.CLOSED }]);
});

test("what cannot be journalled is not done", async () => {
  const away = new Database({
    url: "postgresql://127.0.0.1:1/none",
    logger: silentLogger,
    connectionsMax: 1,
  });
  const blind = breakersApi({ breakers, database: away, clock });
  const wish = create(TripBreakerRequestSchema, { name, reason: "x" });
  await expect(blind.tripBreaker(wish, context)).rejects.toThrow();
  expect(await list()).toMatchObject([{ state: BreakerState.CLOSED }]);
  await away.close();
});
