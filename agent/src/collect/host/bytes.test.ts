import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteCursor } from "./bytes.js";

function over(text: string): ByteCursor {
  const bytes = Buffer.from(`${text}garbage 99`);
  return new ByteCursor().reset(bytes, text.length);
}

test.each([
  { text: "42", is: 42 },
  { text: "  \t7", is: 7 },
  { text: "-12", is: -12 },
  { text: "0.25", is: 0.25 },
  { text: "123.456789", is: 123.456789 },
  { text: "18446744073709551615", is: 18_446_744_073_709_552_000 },
  { text: "9223372036854775807", is: 2 ** 63 },
  { text: "-9223372036854775807", is: -(2 ** 63) },
  { text: "", is: Number.NaN },
  { text: "abc", is: Number.NaN },
  { text: "-", is: Number.NaN },
  { text: "\n5", is: Number.NaN },
])("the number at $text is $is", ({ text, is }) => {
  expect(over(text).number()).toBe(is);
});

test("every whole number that a double holds comes out as it is", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      expect(over(String(value)).number()).toBe(value === 0 ? 0 : value);
    }),
  );
});

test("numbers with two decimals come out as the double that they name", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e11 }), (hundredths) => {
      const text = (hundredths / 100).toFixed(2);
      expect(over(text).number()).toBe(Number(text));
    }),
  );
});

test("words end at a blank, at the asked byte and at the end of the line, never beyond the text", () => {
  const cursor = over("  eth0:  12 x\nlo: 3");
  expect(cursor.word(58)).toBe("eth0");
  cursor.skipByte();
  expect(cursor.number()).toBe(12);
  expect(cursor.word()).toBe("x");
  expect(cursor.word()).toBe("");
  expect(cursor.byte).toBe(-1);
  cursor.nextLine();
  cursor.skipWords(1);
  expect(cursor.number()).toBe(3);
  expect(cursor.word()).toBe("");
  cursor.nextLine();
  expect(cursor.done).toBe(true);
});
