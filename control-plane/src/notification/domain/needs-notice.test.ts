import { describe, expect, test } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../../kernel/time.js";
import { groupDue } from "./group-due.js";
import { needsNotice, type Told } from "./needs-notice.js";

describe("whether a receiver has to be told", () => {
  const told = (firing: string[], resolved: string[] = [], more: Partial<Told> = {}): Told => ({
    firing,
    resolved,
    at: 0,
    ...more,
  });
  const wishes = { sendResolved: true, repeatInterval: HOUR };
  test.each([
    ["it fires and nobody was told", undefined, ["a"], [], wishes, 0, "send first"],
    ["it is over and nobody was told", undefined, [], ["a"], wishes, 0, "nothing"],
    ["nothing changed", told(["a"]), ["a"], [], wishes, MINUTE, "nothing"],
    ["another joins", told(["a"]), ["a", "b"], [], wishes, MINUTE, "send changed"],
    ["one leaves and is not known to be over", told(["a", "b"]), ["a"], [], wishes, MINUTE, "nothing"],
    ["one is over", told(["a", "b"]), ["a"], ["b"], wishes, MINUTE, "send resolved"],
    ["one is over and that was told", told(["a"], ["b"]), ["a"], ["b"], wishes, MINUTE, "nothing"],
    [
      "one is over and nobody asks",
      told(["a", "b"]),
      ["a"],
      ["b"],
      { ...wishes, sendResolved: false },
      MINUTE,
      "nothing",
    ],
    ["all is over", told(["a"]), [], ["a"], wishes, MINUTE, "send resolved"],
    [
      "all is over and nobody asks",
      told(["a"]),
      [],
      ["a"],
      { ...wishes, sendResolved: false },
      MINUTE,
      "note",
    ],
    ["all is hidden", told(["a"]), [], [], wishes, MINUTE, "nothing"],
    ["all is over and that was told", told([], ["a"]), [], ["a"], wishes, 2 * HOUR, "nothing"],
    ["it fires again", told([], ["a"]), ["a"], [], wishes, MINUTE, "send changed"],
    ["one ms before repeat_interval", told(["a"]), ["a"], [], wishes, HOUR - 1, "nothing"],
    ["at repeat_interval", told(["a"]), ["a"], [], wishes, HOUR, "send repeat"],
    [
      "the last notice was given up",
      told(["a"], [], { undelivered: true }),
      ["a"],
      [],
      wishes,
      MINUTE,
      "send undelivered",
    ],
    [
      "the last notice was given up and all is over",
      told(["a"], [], { undelivered: true }),
      [],
      ["a"],
      wishes,
      MINUTE,
      "send resolved",
    ],
  ])("%s", (_, before, firing, resolved, asked, now, expected) => {
    const need = needsNotice(before, new Set(firing), new Set(resolved), asked, now);
    expect(need.kind === "send" ? `send ${need.reason}` : need.kind).toBe(expected);
    expect(need.because).not.toBe("");
  });
});

describe("when a group is looked at", () => {
  const route = { groupWait: 30 * SECOND, groupInterval: 5 * MINUTE };
  const up = { startedAt: 0, rulesJudged: true };
  test.each([
    ["a new group before group_wait", { createdAt: HOUR, flushedAt: undefined }, up, HOUR + 29_999, false],
    ["a new group at group_wait", { createdAt: HOUR, flushedAt: undefined }, up, HOUR + 30_000, true],
    [
      "an old group that nobody was told of, after a start",
      { createdAt: 0, flushedAt: undefined },
      { ...up, startedAt: HOUR },
      HOUR + 29_999,
      false,
    ],
    [
      "one that was looked at, before group_interval",
      { createdAt: 0, flushedAt: HOUR },
      up,
      HOUR + 299_999,
      false,
    ],
    [
      "one that was looked at, at group_interval",
      { createdAt: 0, flushedAt: HOUR },
      up,
      HOUR + 300_000,
      true,
    ],
    [
      "any, while rules are not judged",
      { createdAt: 0, flushedAt: HOUR },
      { ...up, rulesJudged: false },
      DAY,
      false,
    ],
  ])("%s", (_, times, start, now, due) => {
    expect(groupDue(route, times, start, now).due).toBe(due);
  });
});
