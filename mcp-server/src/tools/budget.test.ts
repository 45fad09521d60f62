import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { Tiktoken } from "js-tiktoken/lite";
import o200k from "js-tiktoken/ranks/o200k_base";
import { describe, expect, test } from "vitest";
import { linesWithin, rowsWithin, tokensIn, tokensOf } from "./budget.js";

const tokenizer = new Tiktoken(o200k);
const real = (text: string): number => tokenizer.encode(text, [], []).length;

describe("the estimate is hardly less than what a tokenizer counts, and not out of all proportion", () => {
  const rows = (make: (i: number) => unknown): string =>
    JSON.stringify(Array.from({ length: 40 }, (_, i) => make(i)));
  test.each([
    [
      "prose",
      "The disk of the database host fills because old write-ahead logs are not archived any more. ".repeat(
        20,
      ),
    ],
    ["hashes", rows(() => ({ hash: randomBytes(32).toString("hex") }))],
    ["base64", rows(() => ({ cursor: randomBytes(60).toString("base64url") }))],
    ["times", rows((i) => ({ at: new Date(1_790_000_000_000 + i * 977).toISOString(), position: i }))],
    ["numbers", rows((i) => [Math.sqrt(i), i * 1e9, 1 / (i + 1)])],
    [
      "labels",
      rows((i) => ({
        labels: { instance: `db-${i}.example.org:9100`, job: "node", mountpoint: "/var/lib/postgresql" },
      })),
    ],
    [
      "UUIDs",
      rows(() =>
        randomBytes(16)
          .toString("hex")
          .replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
      ),
    ],
    ["Japanese", "ディスクの空き容量が不足しています。".repeat(20)],
    ["Russian", "Недостаточно места на диске сервера базы данных. ".repeat(20)],
    [
      "a log",
      "2026-11-22T12:00:00.123Z ERROR [pool-3-thread-1] o.e.Handler - java.net.SocketTimeoutException: Read timed out (x86_64)\n".repeat(
        20,
      ),
    ],
    [
      "code",
      'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m])) / on(instance) group_left() machine_cpu_cores > 0.9\n'.repeat(
        20,
      ),
    ],
    ["marks", "====----####!!!!....||||".repeat(40)],
  ])("%s", (_, text) => {
    const counted = real(text);
    expect(tokensIn(text)).toBeGreaterThanOrEqual(counted * 0.8);
    expect(tokensIn(text)).toBeLessThan(counted * (/[а-я]/.test(text) ? 4 : 2.2) + 20);
  });
});

test("lines and rows that fit stay within what they may cost, and none is lost", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 200 }), { maxLength: 50 }),
      fc.integer({ min: 20, max: 500 }),
      (texts, tokens) => {
        const lines = texts.map((text) => text.replaceAll("\n", " "));
        const { kept, left } = linesWithin(lines.join("\n"), tokens);
        expect(tokensIn(kept)).toBeLessThanOrEqual(tokens + lines.length);
        expect(lines.join("\n").startsWith(kept)).toBe(true);
        expect(left).toBe(Math.max(1, lines.length) - kept.split("\n").length);
        const rows = rowsWithin(lines, tokens);
        expect(rows.length <= 1 || tokensOf(rows) <= tokens).toBe(true);
      },
    ),
  );
});
