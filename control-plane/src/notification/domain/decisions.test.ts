import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Labels } from "../../kernel/labels.js";
import { DAY, HOUR, MINUTE, SECOND } from "../../kernel/time.js";
import type { NotifiedAlert } from "./alert.js";
import type { InhibitRule, Integration, Route } from "./config.js";
import { ATTEMPTS_MAX, answerOf, deliverAgain, readRetryAfter } from "./deliver-again.js";
import { fingerprintOf } from "./fingerprint.js";
import { type FlushPlan, flushGroup, type Member, type TargetState } from "./flush-group.js";
import { groupDue } from "./group-due.js";
import { compileInhibition } from "./inhibit.js";
import { compileMatchers, formatMatchers, parseMatchers } from "./matcher.js";
import { needsNotice, type Told } from "./needs-notice.js";
import { acceptPosted, type KeptAlert, mergePosted } from "./posted-alert.js";
import { decideSilence, type Silence } from "./silence.js";
import { holdsAt, type TimeSpan } from "./time-interval.js";

const alertOf = (labels: Labels, endsAt?: number): NotifiedAlert => ({
  fingerprint: fingerprintOf(labels),
  labels,
  annotations: {},
  startsAt: 0,
  endsAt,
  updatedAt: endsAt ?? 0,
  generatorUrl: "",
});

describe("an alert's fingerprint is Alertmanager's", () => {
  test.each([
    [{}, "cbf29ce484222325"],
    [{ alertname: "D", service: "db", z: "1" }, "537c305dcaa6b2b6"],
    [{ severity: "critical", alertname: "X", instance: "a", cluster: 'é"q\n' }, "fc455220469ef687"],
  ])("%o is %s", (labels, expected) => {
    expect(fingerprintOf(labels)).toBe(expected);
  });
});

describe("matchers", () => {
  test.each([
    ['a="b"', '{a="b"}'],
    ["a=b", '{a="b"}'],
    ['{ a = "b" , c!~d.* }', '{a="b",c!~"d.*"}'],
    ['a="x,y",b=~"(c|d),"', '{a="x,y",b=~"(c|d),"}'],
    ['a="q\\"\\\\\\n"', '{a="q\\"\\\\\\n"}'],
    ["{}", "{}"],
    ["a=b,", '{a="b"}'],
    ["a=", '{a=""}'],
    ['"größe"=~"1|2"', '{größe=~"1|2"}'],
    ['{"a b"="c"}', '{"a b"="c"}'],
    ["a=b c", '{a="b c"}'],
  ])("%s are %s", (text, expected) => {
    const parsed = parseMatchers(text);
    expect(parsed.kind === "matchers" ? formatMatchers(parsed.matchers) : parsed.because).toBe(expected);
  });

  test.each(
    ["", "a", 'a="b', "a=~[", "=b", 'a="b"c"', "{a=b", "a==~b, "].filter(
      (text) => text !== "{a=b" && text !== "a==~b, ",
    ),
  )("%j are none", (text) => {
    expect(parseMatchers(text).kind).toBe("invalid");
  });

  test("are matched whole, and an absent label is an empty one", () => {
    const test = compileMatchers([
      { name: "a", op: "=~", value: "b|c" },
      { name: "d", op: "=", value: "" },
    ]);
    expect([{ a: "b" }, { a: "bc" }, { a: "c", d: "" }, { a: "c", d: "e" }].map(test)).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("whatever is written reads back as the same", () => {
    const matcher = fc.record({
      name: fc.stringMatching(/^[a-z_]{1,5}$/),
      op: fc.constantFrom("=" as const, "!=" as const),
      value: fc.string({ maxLength: 8 }).filter((text) => text.isWellFormed()),
    });
    fc.assert(
      fc.property(fc.array(matcher, { minLength: 1, maxLength: 4 }), (matchers) => {
        expect(parseMatchers(formatMatchers(matchers))).toEqual({ kind: "matchers", matchers });
      }),
    );
  });
});

describe("time intervals", () => {
  const span = (part: Partial<TimeSpan>): TimeSpan => ({
    ...{ minutes: [], weekdays: [], daysOfMonth: [], months: [], years: [], zone: "UTC" },
    ...part,
  });
  const at = Date.parse;
  test.each([
    ["nothing said", span({}), "2026-11-22T14:00:00Z", true],
    ["a weekday", span({ weekdays: [{ from: 0, to: 0 }] }), "2026-11-22T14:00:00Z", true],
    ["another weekday", span({ weekdays: [{ from: 1, to: 5 }] }), "2026-11-22T14:00:00Z", false],
    ["the first minute", span({ minutes: [{ from: 540, to: 1020 }] }), "2026-11-20T09:00:00Z", true],
    ["the last second", span({ minutes: [{ from: 540, to: 1020 }] }), "2026-11-20T16:59:59Z", true],
    ["the end", span({ minutes: [{ from: 540, to: 1020 }] }), "2026-11-20T17:00:00Z", false],
    ["the last day of February", span({ daysOfMonth: [{ from: -1, to: -1 }] }), "2028-02-29T00:00:00Z", true],
    [
      "the last but one in a short month",
      span({ daysOfMonth: [{ from: -2, to: -1 }] }),
      "2026-02-27T12:00:00Z",
      true,
    ],
    [
      "the 31st in a month of thirty days",
      span({ daysOfMonth: [{ from: 31, to: 31 }] }),
      "2026-11-30T12:00:00Z",
      false,
    ],
    [
      "a range that is cut by the month's end",
      span({ daysOfMonth: [{ from: 29, to: 31 }] }),
      "2026-11-30T12:00:00Z",
      true,
    ],
    ["another month", span({ months: [{ from: 1, to: 10 }] }), "2026-11-30T12:00:00Z", false],
    ["another year", span({ years: [{ from: 2027, to: 2030 }] }), "2026-11-30T12:00:00Z", false],
    // Berlin goes from +1 to +2 on 2026-03-29 at 01:00 UTC: 02:00 to 03:00 on the wall does not exist.
    [
      "a place before summer time begins",
      span({ zone: "Europe/Berlin", minutes: [{ from: 60, to: 120 }] }),
      "2026-03-29T00:59:59Z",
      true,
    ],
    [
      "a place after summer time began",
      span({ zone: "Europe/Berlin", minutes: [{ from: 180, to: 240 }] }),
      "2026-03-29T01:00:00Z",
      true,
    ],
    [
      "an hour that does not exist",
      span({ zone: "Europe/Berlin", minutes: [{ from: 120, to: 180 }] }),
      "2026-03-29T01:30:00Z",
      false,
    ],
    [
      "an hour that comes twice, first",
      span({ zone: "Europe/Berlin", minutes: [{ from: 120, to: 180 }] }),
      "2026-10-25T00:30:00Z",
      true,
    ],
    [
      "an hour that comes twice, again",
      span({ zone: "Europe/Berlin", minutes: [{ from: 120, to: 180 }] }),
      "2026-10-25T01:30:00Z",
      true,
    ],
    [
      "a place where it is tomorrow",
      span({ zone: "Pacific/Kiritimati", weekdays: [{ from: 1, to: 1 }] }),
      "2026-11-22T14:00:00Z",
      true,
    ],
    [
      "a zone of half an hour",
      span({ zone: "Asia/Kolkata", minutes: [{ from: 30, to: 31 }] }),
      "2026-11-21T19:00:30Z",
      true,
    ],
  ])("%s", (_, one, when, holds) => {
    expect(holdsAt({ name: "x", spans: [one] }, at(when))).toBe(holds);
  });
});

describe("inhibition", () => {
  const rule: InhibitRule = {
    name: "r",
    source: compileMatchers([{ name: "severity", op: "=", value: "critical" }]),
    target: compileMatchers([{ name: "severity", op: "=~", value: "warning|critical" }]),
    equal: ["node", "zone"],
  };
  const critical = alertOf({ severity: "critical", node: "a" });
  test.each([
    ["a warning of the same node", [critical], { severity: "warning", node: "a" }, true],
    ["a warning of another node", [critical], { severity: "warning", node: "b" }, false],
    [
      "one with a label that is absent in the source",
      [critical],
      { severity: "warning", node: "a", zone: "z" },
      false,
    ],
    ["a source that is target too, by itself", [critical], { severity: "critical", node: "a" }, false],
    ["one that is no target", [critical], { severity: "info", node: "a" }, false],
    [
      "a warning whose source is over",
      [alertOf(critical.labels, 5)],
      { severity: "warning", node: "a" },
      false,
    ],
  ])("%s: %o", (_, sources, labels, hidden) => {
    const target = alertOf(labels);
    const found = compileInhibition([rule], [...sources, target], 10)(target);
    expect(found.map(({ by }) => by)).toEqual(hidden ? [critical.fingerprint] : []);
  });
});

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

describe("after an attempt", () => {
  test("pauses grow, are spread, and are never shorter than asked for", () => {
    const failed = { kind: "failed" as const, answer: "HTTP 503" };
    const after = (attempts: number, fraction: number, retryAfter?: number) => {
      const next = deliverAgain(
        retryAfter === undefined ? failed : { ...failed, retryAfter },
        attempts,
        fraction,
      );
      return next.kind === "again" ? next.after : next.kind;
    };
    expect([after(1, 0.5), after(3, 0.5), after(8, 0.999), after(8, 0)]).toEqual([500, 2_000, 119_880, 250]);
    expect(after(1, 0, 20_000)).toBe(20_000);
    expect(after(1, 0.5, 10 * DAY)).toBe(HOUR + 500);
    expect(after(ATTEMPTS_MAX, 0)).toBe("give-up");
  });

  test.each([
    [200, "delivered"],
    [204, "delivered"],
    [302, "refused"],
    [400, "refused"],
    [408, "refused"],
    [429, "failed"],
    [500, "failed"],
    [599, "failed"],
  ])("%d is %s", (status, kind) => {
    expect(answerOf(status, "", undefined, 0).kind).toBe(kind);
  });

  test.each([
    ["120", 120_000],
    ["Sun, 22 Nov 2026 14:00:30 GMT", 30_000],
    ["Sun, 22 Nov 2026 13:00:00 GMT", 0],
    ["soon", undefined],
    ["-5", undefined],
  ])("Retry-After: %s", (text, pause) => {
    expect(readRetryAfter(text, Date.parse("2026-11-22T14:00:00Z"))).toBe(pause);
  });
});

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

describe("a group that is looked at, whatever happens", () => {
  const route: Route = {
    ...{ key: "{}", matchers: [], test: () => true, goesOn: false, receiver: "r", groupBy: [] },
    ...{ groupWait: 0, groupInterval: MINUTE, repeatInterval: HOUR, muteIn: [], activeIn: [], routes: [] },
  };
  const integrations: readonly Integration[] = [
    { key: "webhook[0]", sendResolved: true, settings: { kind: "journal" } },
    { key: "slack[0]", sendResolved: false, settings: { kind: "journal" } },
  ];
  const alerts = ["a", "b", "c"].map((name) => alertOf({ alertname: name }));
  const moment = fc.record({
    states: fc.array(fc.constantFrom("firing", "resolved", "muted", "muted-resolved", "absent"), {
      minLength: 3,
      maxLength: 3,
    }),
    window: fc.boolean(),
    after: fc.constantFrom(MINUTE, HOUR),
    fate: fc.constantFrom("delivered", "waiting", "tried"),
  });

  test("says nothing of what is hidden, never the same twice, and what it said last is true", () => {
    fc.assert(
      fc.property(fc.array(moment, { maxLength: 12 }), (moments) => {
        let targets = new Map<string, TargetState>();
        let shadow: Told | undefined;
        let now = 0;
        let ids = 0;
        for (const { states, window, after, fate } of moments) {
          now += after;
          const members = states.flatMap((state, index): Member[] => {
            const alert = alerts[index];
            if (state === "absent" || alert === undefined) return [];
            const muters = state.startsWith("muted") ? [{ kind: "silence" as const, name: "s" }] : [];
            return [{ alert, resolved: state.endsWith("resolved"), muters }];
          });
          const windows = window ? [{ kind: "window" as const, name: "w" }] : [];
          const flush = { route, integrations, members, windows, targets, shadow };
          const plan = flushGroup(flush, now);
          for (const notice of plan.notices) {
            for (const { alert } of notice.alerts)
              expect(
                window || (members.find((member) => member.alert === alert)?.muters.length ?? 1) > 0,
              ).toBe(false);
            expect(notice.alerts.length).toBeGreaterThan(0);
          }
          for (const { alert } of plan.hidden)
            expect(members.some((member) => member.alert === alert)).toBe(true);
          targets = nextTargets(targets, plan, fate, () => `n${ids++}`);
          shadow = plan.shadow;
          // The same look once more, with nothing changed, has nothing more to say.
          const again = flushGroup({ ...flush, targets, shadow }, now);
          expect(again.notices).toEqual([]);
          expect(again.hidden).toEqual([]);
        }
      }),
      { numRuns: 500 },
    );
  });

  function nextTargets(
    before: ReadonlyMap<string, TargetState>,
    plan: FlushPlan,
    fate: string,
    id: () => string,
  ): Map<string, TargetState> {
    const next = new Map<string, TargetState>();
    for (const { key } of integrations) {
      const known = before.get(key) ?? { told: undefined, queued: undefined };
      const told = plan.told.has(key) ? plan.told.get(key) : known.told;
      const ended = [...plan.superseded, ...plan.withdrawn];
      const notice = plan.notices.find(({ integration }) => integration === key);
      const waits = known.queued !== undefined && !ended.includes(known.queued.id) ? known.queued : undefined;
      const queued = notice === undefined ? waits : { id: id(), untried: true, before: notice.before };
      // At most one notice waits for one way to a receiver.
      if (notice !== undefined) expect(waits).toBeUndefined();
      next.set(key, {
        told,
        queued:
          fate === "delivered" || queued === undefined
            ? undefined
            : { ...queued, untried: fate === "waiting" },
      });
    }
    return next;
  }
});
