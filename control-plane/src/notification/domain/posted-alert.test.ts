import { describe, expect, test } from "vitest";
import { type Labels } from "../../kernel/labels.js";
import { HOUR, MINUTE } from "../../kernel/time.js";
import { type NotifiedAlert } from "./alert.js";
import { fingerprintOf } from "./fingerprint.js";
import { acceptPosted, type KeptAlert, mergePosted } from "./posted-alert.js";

const alertOf = (labels: Labels, endsAt?: number): NotifiedAlert => ({
  fingerprint: fingerprintOf(labels),
  labels,
  annotations: {},
  startsAt: 0,
  endsAt,
  updatedAt: endsAt ?? 0,
  generatorUrl: "",
});

describe("a posted alert", () => {
  const now = 1_000 * HOUR;
  const post = {
    labels: { alertname: "a" },
    annotations: {},
    startsAt: undefined,
    endsAt: undefined,
    generatorUrl: "",
  };
  const kept = (startsAt: number, endsAt: number, timesOut = false): KeptAlert => ({
    ...alertOf({ alertname: "a" }),
    startsAt,
    endsAt,
    timesOut,
  });
  test("begins now and times out when it does not say", () => {
    expect(acceptPosted(post, 5 * MINUTE, now)).toMatchObject({
      alert: { startsAt: now, endsAt: now + 5 * MINUTE, timesOut: true },
    });
    expect(acceptPosted({ ...post, endsAt: now - HOUR }, 0, now)).toMatchObject({
      alert: { startsAt: now - HOUR, timesOut: false },
    });
  });

  test.each([
    ["without labels", { ...post, labels: { a: "" } }, "at least one label pair required"],
    ["that ends before it begins", { ...post, startsAt: 2, endsAt: 1 }, "start time must be before end time"],
    ["with a name that is none", { ...post, labels: { __proto__x: "a", "": "b" } }, 'invalid label name: ""'],
    [
      "with a huge value",
      { ...post, labels: { a: "x".repeat(20_000) } },
      "label a is longer than 16384 characters",
    ],
    ["with a NUL", { ...post, labels: { a: "\0" } }, "label a is not valid UTF-8"],
  ])("%s is refused", (_, one, because) => {
    expect(acceptPosted(one, 0, now)).toEqual({ kind: "refused", because });
  });

  test.each([
    ["posted again: the earlier start, the later end", kept(0, now + 10), kept(5, now + 20), [0, now + 20]],
    ["over: it is over, though a later end was named", kept(0, now + HOUR), kept(0, now), [0, now]],
    [
      "posted with an end of our making, after a named one",
      kept(0, now + HOUR),
      kept(0, now + 10, true),
      [0, now + HOUR],
    ],
    [
      "posted with a named end, after one of our making",
      kept(0, now + HOUR, true),
      kept(0, now + 10),
      [0, now + 10],
    ],
    ["fires again after it was over", kept(0, now - HOUR), kept(now - 5, now + 10), [now - 5, now + 10]],
    ["over twice: the later end", kept(0, now - 1), kept(0, now - 5), [0, now - 1]],
  ])("%s", (_, before, after, [startsAt, endsAt]) => {
    expect(mergePosted(before, after, now)).toMatchObject({ startsAt, endsAt });
  });
});
