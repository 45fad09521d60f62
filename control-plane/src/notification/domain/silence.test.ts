import { describe, expect, test } from "vitest";
import { DAY, HOUR, MINUTE } from "../../kernel/time.js";
import { decideSilence, type Silence } from "./silence.js";

describe("a silence", () => {
  const now = 1_000 * HOUR;
  const request = {
    id: undefined,
    matchers: [{ name: "a", op: "=" as const, value: "b" }],
    startsAt: now,
    endsAt: now + HOUR,
    createdBy: "ann",
    comment: "",
  };
  const active: Silence = { ...request, id: "s", updatedAt: now, startsAt: now - HOUR };
  const pending: Silence = { ...active, startsAt: now + MINUTE };
  test.each([
    ["new", request, undefined, "created"],
    [
      "changed in its end",
      { ...request, id: "s", startsAt: active.startsAt, endsAt: now + DAY },
      active,
      "changed",
    ],
    ["changed in its start while it holds", { ...request, id: "s" }, active, "created, ends s"],
    [
      "changed in its matchers",
      {
        ...request,
        id: "s",
        startsAt: active.startsAt,
        matchers: [{ name: "a", op: "=" as const, value: "c" }],
      },
      active,
      "created, ends s",
    ],
    [
      "changed in its start before it holds",
      { ...request, id: "s", startsAt: now + 2 * MINUTE },
      pending,
      "changed",
    ],
    ["changed after it ended", { ...request, id: "s" }, { ...active, endsAt: now - 1 }, "created"],
    ["of an id that is none", { ...request, id: "x" }, undefined, "unknown"],
    ["without matchers", { ...request, matchers: [] }, undefined, "invalid"],
    [
      "that hides everything",
      { ...request, matchers: [{ name: "a", op: "=~" as const, value: ".*" }] },
      undefined,
      "invalid",
    ],
    ["that ends before it begins", { ...request, endsAt: now }, undefined, "invalid"],
    ["that is over", { ...request, startsAt: now - HOUR, endsAt: now - 1 }, undefined, "invalid"],
    ["for ever", { ...request, endsAt: now + 3_000 * DAY }, undefined, "invalid"],
    ["by nobody", { ...request, createdBy: " " }, undefined, "invalid"],
    [
      "with a bad expression",
      { ...request, matchers: [{ name: "a", op: "=~" as const, value: "(" }] },
      undefined,
      "invalid",
    ],
  ])("%s", (_, asked, known, expected) => {
    const verdict = decideSilence(asked, known, "fresh", now);
    const shown =
      verdict.kind === "created" && verdict.replaces !== undefined
        ? `created, ends ${verdict.replaces.id}`
        : verdict.kind;
    expect(shown).toBe(expected);
  });
});
