import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Labels } from "../../kernel/labels.js";
import { HOUR, MINUTE } from "../../kernel/time.js";
import { type NotifiedAlert } from "./alert.js";
import { type Integration, type Route } from "./config.js";
import { fingerprintOf } from "./fingerprint.js";
import { type FlushPlan, flushGroup, type Member, type TargetState } from "./flush-group.js";
import { type Told } from "./needs-notice.js";

const alertOf = (labels: Labels, endsAt?: number): NotifiedAlert => ({
  fingerprint: fingerprintOf(labels),
  labels,
  annotations: {},
  startsAt: 0,
  endsAt,
  updatedAt: endsAt ?? 0,
  generatorUrl: "",
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
