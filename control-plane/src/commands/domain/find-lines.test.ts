import { describe, expect, test } from "vitest";
import { findLines, wordsOf } from "./find-lines.js";

describe("what is shown for a search", () => {
  test.each([
    { query: "disk full", words: ["disk", "full"] },
    { query: '"Disk full" OR Error -ignored', words: ["disk", "full", "error"] },
    { query: "/var/log/app.log 10.0.0.5:5432", words: ["var/log/app.log", "10.0.0.5:5432"] },
    { query: "!!! --", words: [] },
  ])("the words of $query", ({ query, words }) => {
    expect(wordsOf(query)).toEqual(words);
  });

  test("lines with a word, few and short, without what a terminal would obey", () => {
    const text = `nothing\nthe DISK is \u001b[31mfull\n\n${"disk ".repeat(200)}\nend`;
    const lines = findLines(text, "disk");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^the DISK is /);
    expect(lines.join("")).not.toContain("\u001b");
    expect(lines[1]?.length).toBeLessThanOrEqual(300);
    expect(findLines("disk\n".repeat(50), "disk")).toHaveLength(5);
  });

  test("a piece whose words stand there in another form shows how it begins", () => {
    expect(findLines("first\nsecond", "absent")).toEqual(["first"]);
    expect(findLines("", "absent")).toEqual([]);
  });
});
