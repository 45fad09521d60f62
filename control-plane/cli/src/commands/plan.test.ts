import { status } from "@grpc/grpc-js";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Failure } from "../failure.js";
import { FakeHouse, fails, HASH, planOf } from "../testing/fake-house.js";
import { argumentsOf } from "./plan.js";

let house: FakeHouse;
beforeAll(async () => {
  house = await FakeHouse.open();
});
afterAll(() => house.close());

describe("a plan and what comes of it", () => {
  test.each([
    { is: CommandState.PLANNED, code: 0, next: "apply it: mainstay apply c-1 --plan 0123456789ab" },
    { is: CommandState.REFUSED, code: 3, next: "" },
    { is: CommandState.FAILED, code: 1, next: "" },
    { is: CommandState.PLANNING, code: 2, next: "the agent has not answered yet: mainstay get c-1" },
  ])("plan ends with $code when it is $is", async ({ is, code, next }) => {
    house.answerWith(is);
    const told = await house.types("plan", "db-1", "set-backend-state", "server=web", "--reason", "x");
    expect(told).toMatchObject({ code, err: next });
  });

  test("takes typed arguments and no others", async () => {
    expect(argumentsOf(["a=1", "b=true", "c=1.5", "d=01", "e=x=y", "f:=[1]", "g="], undefined)).toBe(
      '{"a":1,"b":true,"c":1.5,"d":"01","e":"x=y","f":[1],"g":""}',
    );
    for (const wrong of [["noValue"], ["=1"], ["f:=["]])
      expect(() => argumentsOf(wrong, undefined)).toThrow(Failure);
    expect(() => argumentsOf(["a=1"], "{}")).toThrow(/not both/);
  });

  test.each([
    { is: CommandState.APPROVED, code: 0, says: "plan 0123456789ab; undo it: mainstay undo c-1" },
    { is: CommandState.AWAITING_APPROVAL, code: 4, says: "another person approves it: mainstay approve c-1" },
  ])("apply that becomes $is ends with $code and says what is next", async ({ is, code, says }) => {
    house.answerWith(is);
    const told = await house.types("apply", "c-1", "--plan", "0123456789ab");
    expect(told.code).toBe(code);
    expect(told.err).toContain(says);
  });

  test("says plainly what cannot be undone", async () => {
    house.answerWith(CommandState.APPROVED, { plan: planOf({ inverseKind: "irreversible" }) });
    expect((await house.types("apply", "c-1", "--plan", HASH)).err).toContain(
      "it cannot be undone: irreversible",
    );
  });

  test.each([
    ["too short a hash", ["--plan", "0123"], "expected at least the first 12 characters"],
    ["another plan's hash", ["--plan", "ffffffffffff"], "the plan is 0123456789ab…, not ffffffffffff"],
    [
      "no hash where nobody sits",
      [],
      "give --plan HASH of the plan that you have read, so that no other is applied by it",
    ],
  ])("applies nothing for %s", async (_, flags, says) => {
    house.answerWith(CommandState.PLANNED);
    house.answers["applyCommand"] = fails(status.INTERNAL, "it was asked all the same");
    const told = await house.types("apply", "c-1", ...flags);
    expect(told.code).toBe(1);
    expect(told.err).toContain(says);
  });

  test("asks who sits there, and takes nothing but yes for yes", async () => {
    house.answerWith(CommandState.PLANNED);
    try {
      house.person = async () => "";
      expect((await house.types("apply", "c-1")).err).toContain("the plan was not confirmed");
      house.person = async (question) => (question.includes("apply plan 0123456789ab?") ? "y" : "n");
      expect((await house.types("apply", "c-1")).code).toBe(0);
    } finally {
      house.person = undefined;
    }
  });

  test("a command that did not help is degraded", async () => {
    house.answerWith(CommandState.SUCCEEDED, { verification: "not-cleared" });
    expect((await house.types("get", "c-1")).code).toBe(2);
  });
});
