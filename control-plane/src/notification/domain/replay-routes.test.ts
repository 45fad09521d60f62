import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../kernel/time.js";
import { parseYamlText } from "../../platform/yaml-text.js";
import type { NotifiedAlert } from "./alert.js";
import type { NotificationConfig } from "./config.js";
import { fingerprintOf } from "./fingerprint.js";
import { readConfig } from "./read-config.js";
import { replayRoutes } from "./replay-routes.js";
import type { Silence } from "./silence.js";
import { TellingTally } from "./telling-tally.js";
import { TimeQueue } from "./time-queue.js";

const T0 = Date.UTC(2026, 10, 22, 12);

function configOf(text: string): NotificationConfig {
  const read = parseYamlText("am.yml", text, ({ value, lineOf }) => readConfig(value, lineOf));
  if ("faults" in read) throw new Error(read.faults.join());
  return read.value;
}

const ROUTES = `
route:
  receiver: team
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1h
  routes:
    - {matchers: [severity="critical"], receiver: pager, continue: true}
    - {matchers: [severity="critical"], receiver: team}
receivers:
  - {name: team, webhook_configs: [{url: "http://x"}]}
  - {name: pager, webhook_configs: [{url: "http://x", send_resolved: false}]}
`;

/** An alert that fires between two times, in seconds. */
function firing(labels: Record<string, string>, from: number, to?: number): NotifiedAlert {
  const startsAt = T0 + from * SECOND;
  const endsAt = to === undefined ? undefined : T0 + to * SECOND;
  const fingerprint = fingerprintOf(labels);
  return { fingerprint, labels, annotations: {}, startsAt, endsAt, updatedAt: startsAt, generatorUrl: "" };
}

const full = (instance: string, more: Record<string, string> = {}) => ({
  alertname: "Full",
  instance,
  ...more,
});

function told(
  firings: readonly NotifiedAlert[],
  until: number,
  text = ROUTES,
  silences: readonly Silence[] = [],
) {
  const looks = [...replayRoutes({ config: configOf(text), firings, silences, until: T0 + until * SECOND })];
  return looks.flatMap((look) =>
    look === "pause"
      ? []
      : look.notices.map(
          ({ reason, alerts }) =>
            `${(look.at - T0) / SECOND} ${look.receiver} ${reason}: ${alerts.map(({ alert, resolved }) => `${alert.labels["instance"]}${resolved ? " over" : ""}`).join(", ")}`,
        ),
  );
}

describe("a replay tells as in force", () => {
  test("after group_wait, every group_interval what changed, every repeat_interval the same, and the end", () => {
    const firings = [
      firing(full("a"), 0, 2 * 3_600),
      firing(full("b"), 5, 2 * 3_600),
      firing(full("c"), 30, 90),
    ];
    expect(told(firings, 3 * 3_600)).toEqual([
      "10 team first: a, b",
      "70 team changed: a, b, c",
      "130 team resolved: a, b, c over",
      "3730 team repeat: a, b",
      "7210 team resolved: a over, b over",
    ]);
  });

  test("by every route that goes on, and a receiver that does not ask for the end is not told of it", () => {
    expect(told([firing(full("a", { severity: "critical" }), 0, 60)], 600)).toEqual([
      "10 pager first: a",
      "10 team first: a",
      "70 team resolved: a over",
    ]);
  });

  test("what comes and goes within group_wait is not told; what comes again is", () => {
    expect(told([firing(full("a"), 0, 5)], 600)).toEqual([]);
    expect(told([firing(full("a"), 0, 30), firing(full("a"), 600)], 1_200)).toEqual([
      "10 team first: a",
      "70 team resolved: a over",
      "610 team first: a",
    ]);
  });

  test("what a silence, an inhibition or a window hides is said with its hider", () => {
    const text = `${ROUTES}
inhibit_rules:
  - {source_matchers: [alertname="Dark"], target_matchers: [alertname="Full"]}
`;
    const silence: Silence = {
      ...{ id: "s-1", matchers: [{ name: "instance", op: "=", value: "a" }], createdBy: "ann", comment: "" },
      ...{ startsAt: T0, endsAt: T0 + 10 * MINUTE, updatedAt: T0 },
    };
    const firings = [firing(full("a"), 0), firing({ alertname: "Dark", instance: "d" }, 0, 900)];
    expect(told(firings, 1_200, text, [silence])).toEqual([
      "10 team first: d",
      "910 team first: a",
      "910 team resolved: d over",
    ]);
    const tally = new TellingTally();
    for (const look of replayRoutes({
      ...{ config: configOf(text), firings, silences: [silence], until: T0 + 500 * SECOND },
    }))
      if (look !== "pause") tally.look(look);
    const hidden = tally.tellings().find(({ labels }) => labels["alertname"] === "Full");
    expect(hidden).toMatchObject({ would: 0, hidden: 1 });
    expect([...(hidden?.hiddenBy ?? [])]).toEqual([`inhibition ${firings[1]?.fingerprint}`, "silence s-1"]);
  });

  test("ten thousand alerts for a day end, and pause for others between", () => {
    const firings = Array.from({ length: 10_000 }, (_, n) => firing(full(`i${n % 2_000}`), n * 8, n * 8 + 4));
    const looks = [
      ...replayRoutes({ config: configOf(ROUTES), firings, silences: [], until: T0 + 24 * HOUR }),
    ];
    expect(looks.filter((look) => look === "pause").length).toBeGreaterThan(100);
  });
});

test("the tally puts what differs first", () => {
  const tally = new TellingTally();
  const labels = { alertname: "Full" };
  const was = (receiver: string, fingerprint: string) => ({
    receiver,
    fingerprint,
    labels,
    notices: 2,
    firstAt: T0,
  });
  for (const look of replayRoutes({
    ...{ config: configOf(ROUTES), firings: [firing(full("a"), 0)], silences: [], until: T0 + MINUTE },
  }))
    if (look !== "pause") tally.look(look);
  const { fingerprint } = firing(full("a"), 0);
  tally.told(was("team", fingerprint));
  tally.told(was("pager", fingerprint));
  expect(tally.tellings().map(({ receiver, would, did }) => [receiver, would, did])).toEqual([
    ["pager", 0, 2],
    ["team", 1, 2],
  ]);
  expect([...tally.notices]).toEqual([["team", 1]]);
});

test("a time queue gives what it was given, by time and then by turn", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5 })), (times) => {
      const queue = new TimeQueue<number>();
      times.forEach((at, turn) => {
        queue.push(at, turn);
      });
      const given = times.map(() => queue.pop());
      const expected = times.map((at, item) => ({ at, item })).sort((a, b) => a.at - b.at || a.item - b.item);
      expect(given.map((one) => ({ at: one?.at, item: one?.item }))).toEqual(expected);
      expect(queue.pop()).toBeUndefined();
    }),
  );
});
