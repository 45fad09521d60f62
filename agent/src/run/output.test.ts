import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BoundedOutput, type OutputPiece } from "./output.js";
import { redactText } from "./redact.js";

function collect(
  bytesMax: number,
  writes: readonly string[],
  flushEvery = 3,
): { pieces: OutputPiece[]; kept: Buffer; skipped: number } {
  const pieces: OutputPiece[] = [];
  const output = new BoundedOutput(bytesMax, (piece) => pieces.push(piece));
  for (const [index, text] of writes.entries()) {
    output.write("stdout", text);
    if (index % flushEvery === 0) output.flush();
  }
  output.end();
  const skipped = pieces.reduce((sum, { skippedBytes }) => sum + skippedBytes, 0);
  return { pieces, kept: Buffer.concat(pieces.map(({ data }) => data)), skipped };
}

describe("bounded output", () => {
  test("what fits comes whole, however it was cut", () => {
    const text = fc.array(
      fc.string({ maxLength: 50 }).map((line) => line.replaceAll("\n", "")),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 20 }), (lines, size) => {
        const whole = lines.join("\n");
        const writes = whole.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
        const { kept, skipped } = collect(1 << 20, writes);
        expect(kept.toString()).toBe(Buffer.from(redactText(whole)).toString());
        expect(skipped).toBe(0);
      }),
    );
  });

  test("of a flood the beginning and the end come; offsets and what was skipped add up", () => {
    const lines = fc.array(
      fc.integer({ min: 1, max: 300 }).map((length) => `${"x".repeat(length)}\n`),
      { minLength: 100, maxLength: 400 },
    );
    fc.assert(
      fc.property(lines, (writes) => {
        const whole = writes.join("");
        const { pieces, kept, skipped } = collect(8192, writes);
        expect(kept.length + skipped).toBe(whole.length);
        expect(kept.length).toBeLessThanOrEqual(4096 + 301);
        let at = 0;
        for (const { offset, data, skippedBytes } of pieces) {
          expect(offset).toBe(at + skippedBytes);
          at = offset + data.length;
          expect(whole.slice(offset, at)).toBe(data.toString());
        }
        expect(at).toBe(whole.length);
      }),
    );
  });

  test("one endless line is cut into pieces and stays bounded", () => {
    const { kept, skipped } = collect(
      8192,
      Array.from({ length: 100 }, () => "y".repeat(10_000)),
    );
    expect(kept.length + skipped).toBe(1_000_000);
    expect(kept.length).toBeLessThan(20_000);
  });

  test("a secret that comes in two halves is not seen", () => {
    const { kept } = collect(1 << 20, ["login pass", "word=hun", "ter2 ok\n"], 1);
    expect(kept.toString()).toBe("login password=[redacted] ok\n");
  });
});

describe("taking secrets out", () => {
  test.each([
    { text: "password=hunter2", clean: "password=[redacted]" },
    { text: 'DB_PASSWORD: "hunter two" next', clean: "DB_PASSWORD: [redacted] next" },
    { text: "--token abcdef --other x", clean: "--token [redacted] --other x" },
    { text: '{"api_key":"k","n":1}', clean: '{"api_key":[redacted],"n":1}' },
    { text: "postgres://me:pw@db:5432/x", clean: "postgres://[redacted]@db:5432/x" },
    { text: "https://user:p%40ss@host/path", clean: "https://[redacted]@host/path" },
    { text: "Authorization: Bearer abc.def", clean: "Authorization: [redacted]" },
    { text: "sent bearer abcdefgh12345 to x", clean: "sent bearer [redacted] to x" },
    { text: `key AKIA${"A".repeat(16)} end`, clean: "key [redacted] end" },
    { text: `t mjt_1_${"s".repeat(40)} end`, clean: "t [redacted] end" },
    { text: "mysql -p x --password 'two words' y", clean: "mysql -p x --password [redacted] y" },
    { text: "the token ran out, 42 files in /var/cache", clean: "the token ran out, 42 files in /var/cache" },
    { text: "http://host:8080/path?q=1", clean: "http://host:8080/path?q=1" },
  ])("$text", ({ text, clean }) => {
    expect(redactText(text)).toBe(clean);
  });

  test("a private key goes as a whole, over its lines", () => {
    const text = "a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nabc\n-----END EC PRIVATE KEY-----\nb";
    expect(redactText(text)).toBe("a\n[redacted] (a private key)\n[redacted]\n[redacted]\n[redacted]\nb");
  });

  test("a hostile line costs no more than another", () => {
    for (const line of [
      "token".repeat(1600),
      `${"a-".repeat(4000)}password`,
      "eyJ".repeat(2700),
      "://".repeat(2700),
      " ".repeat(8000),
      "password ".repeat(900),
    ]) {
      const began = performance.now();
      redactText(line.slice(0, 8192));
      expect(performance.now() - began).toBeLessThan(250);
    }
  });
});
