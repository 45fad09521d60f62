import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import {
  BreakerState,
  ListBreakersResponseSchema,
  ResetBreakerResponseSchema,
  TripBreakerResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/breakers_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeHouse, fails } from "../testing/fake-house.js";

let house: FakeHouse;
beforeAll(async () => {
  house = await FakeHouse.open();
});
afterAll(() => house.close());

const breaker = (state: BreakerState) => ({ name: "vault", state, because: "five failures", refused: 7n });

test.each([
  { state: BreakerState.CLOSED, word: "closed", code: 0 },
  { state: BreakerState.HALF_OPEN, word: "half open", code: 2 },
  { state: BreakerState.OPEN, word: "open", code: 2 },
])("the list with one that is $word ends with $code", async ({ state, word, code }) => {
  house.answers = { listBreakers: () => create(ListBreakersResponseSchema, { breakers: [breaker(state)] }) };
  const told = await house.types("breaker", "list");
  expect(told.code).toBe(code);
  expect(told.out).toMatch(new RegExp(`vault +${word.replace(" ", "[ -]")}`));
  const json = JSON.parse((await house.types("breaker", "list", "-o", "json")).out);
  expect(json.breakers).toMatchObject([{ name: "vault", refused: "7" }]);
});

test.each([
  { verb: "trip", state: BreakerState.OPEN, next: "when reset" },
  { verb: "reset", state: BreakerState.CLOSED, next: "" },
])("$verb asks for that one with its reason, and shows what became of it", async ({ verb, state, next }) => {
  house.answers = {
    tripBreaker: () => create(TripBreakerResponseSchema, { breaker: breaker(state) }),
    resetBreaker: () => create(ResetBreakerResponseSchema, { breaker: breaker(state) }),
  };
  const { code, out } = await house.types("breaker", verb, "vault", "--reason", "it is mended");
  expect(code).toBe(0);
  expect(house.seenRequest).toMatchObject({ name: "vault", reason: "it is mended" });
  expect(out).toContain(next);
});

test("neither goes without a reason, nor for one that is not there", async () => {
  house.answers = { tripBreaker: fails(status.NOT_FOUND, 'trip breaker "volt": there is none') };
  expect(await house.types("breaker", "trip", "vault")).toMatchObject({
    code: 1,
    err: expect.stringContaining("--reason"),
  });
  expect(await house.types("breaker", "trip", "volt", "--reason", "x")).toMatchObject({
    code: 1,
    err: expect.stringContaining("there is none"),
  });
});
