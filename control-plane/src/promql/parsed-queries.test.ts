import { expect, test } from "vitest";
import { PromqlError } from "./errors.js";
import { ParsedQueries } from "./parsed-queries.js";

test("the same text is the same expression, until others have taken its place", () => {
  const queries = new ParsedQueries(2);
  const first = queries.parse("up");
  expect(queries.parse("up")).toBe(first);
  queries.parse("down");
  expect(queries.parse("up")).toBe(first);
  queries.parse("left");
  expect(queries.parse("up")).toBe(first);
  queries.parse("down");
  queries.parse("right");
  expect(queries.parse("up")).not.toBe(first);
});

test("a faulty text fails each time", () => {
  const queries = new ParsedQueries();
  expect(() => queries.parse("1 +")).toThrow(PromqlError);
  expect(() => queries.parse("1 +")).toThrow("1:4: parse error: unexpected end of input");
});
