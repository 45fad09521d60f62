import fc from "fast-check";
import { expect, test } from "vitest";
import { open, refusesState, type State, seal } from "./sealed-state.js";

const key = new Uint8Array(32).fill(1);
const hex = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes).toString("hex"));
const states: fc.Arbitrary<State> = fc.record({
  id: hex(16),
  principal: fc.string({ maxLength: 128 }),
  commandId: fc.string({ maxLength: 128 }),
  planHash: hex(32),
  expiresAt: fc.nat(),
});

test("what was sealed is opened as it was, with the same key alone", () => {
  fc.assert(
    fc.property(states, hex(12), (state, iv) => {
      const sealed = seal(state, key, iv);
      expect(open(sealed, key)).toEqual(state);
      expect(open(sealed, new Uint8Array(32).fill(2))).toBeUndefined();
    }),
  );
});

test("a text that differs in any bit, or is anything else, is none", () => {
  const state: State = { id: "ab".repeat(16), principal: "p", commandId: "c", planHash: "h", expiresAt: 1 };
  const sealed = Buffer.from(seal(state, key, "00".repeat(12)), "base64url");
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const other = Buffer.from(sealed);
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(open(other.toString("base64url"), key)).toBeUndefined();
  }
  fc.assert(fc.property(fc.string(), (text) => open(text, key) === undefined));
});

test.each([
  ["in time, for the same plan and caller", {}, undefined],
  ["of another caller", { principal: "q" }, "another caller was asked"],
  ["about another command", { commandId: "d" }, "the answer is about another plan"],
  ["about another plan", { planHash: "i" }, "the answer is about another plan"],
  ["that has ended", { expiresAt: 999 }, "the answer came too late"],
])("a state %s", (_, change, because) => {
  const state = { id: "a", principal: "p", commandId: "c", planHash: "h", expiresAt: 1_000, ...change };
  const subject = { principal: "p", commandId: "c", planHash: "h" };
  expect(refusesState(state, subject, 1_000)).toBe(because);
});
