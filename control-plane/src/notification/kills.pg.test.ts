/** Killed again and again, at moments that chance chooses: nothing is lost, and no receiver is told one thing as two. */
import { describe, expect, test } from "vitest";
import { verifyJournal } from "../journal/journal.module.js";
import { HOUR, MINUTE, SECOND } from "../kernel/time.js";
import { systemClock } from "../platform/system.js";
import { openListener } from "./testing/listener.js";
import { NotificationHouse, type Replica } from "./testing/notification-house.js";

const ROUNDS = 100;
const SEED = 20_261_122;

/** A generator that gives the same for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Payload {
  readonly status: "firing" | "resolved";
  readonly groupKey: string;
  readonly alerts: readonly { readonly status: string; readonly fingerprint: string }[];
}

describe("a hundred kills", () => {
  test("lose nothing and double nothing", async () => {
    const house = await NotificationHouse.open();
    const ear = await openListener();
    const draw = chance(SEED);
    await house.write(`
route: {receiver: team, group_by: [alertname], group_wait: 2s, group_interval: 5s, repeat_interval: 12h}
receivers:
  - name: team
    webhook_configs: [{url: "${ear.url}"}]
`);
    const names = ["A", "B", "C"];
    const firing = new Map<string, boolean>();
    let replica: Replica = await house.openReplica();
    const post = async (name: string, fires: boolean): Promise<void> => {
      firing.set(name, fires);
      const now = house.system.clock.now();
      const times = { startsAt: undefined, endsAt: fires ? now + 100 * HOUR : now };
      await replica.desk.postAlerts([
        { labels: { alertname: name }, annotations: {}, generatorUrl: "", ...times },
      ]);
    };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of names) if (draw() < 0.3) await post(name, draw() < 0.6);
      const mood = draw();
      // Heard and the line cut, refused for now, heard by a process that is gone before it could note it, or well.
      const { deliverer } = replica;
      ear.answer = async () => {
        if (mood < 0.2) return undefined;
        if (mood < 0.4) {
          void deliverer.stop();
          await systemClock.sleep(5);
        }
        return { status: mood > 0.85 ? 503 : 200 };
      };
      house.system.clock.advance(Math.floor(draw() * 6 * SECOND));
      const moment = draw();
      await replica.notifier.run(house.system.clock.now());
      if (moment > 0.3) {
        await replica.deliverer.run(house.system.clock.now());
        await replica.deliverer.settled();
      }
      // The process is gone: what it had in memory is forgotten, what it had stored is found again.
      replica = await house.openReplica();
    }
    ear.answer = () => ({ status: 200 });
    await house.pass(replica, 3 * MINUTE);
    for (const name of names) if (firing.get(name) === true) await post(name, false);
    await house.pass(replica, 3 * MINUTE);

    const heard = ear.heard.map(({ headers, body }) => ({
      id: String(headers["idempotency-key"]),
      payload: JSON.parse(body) as Payload,
    }));
    for (const name of names) {
      const ofGroup = heard.filter(({ payload }) => payload.groupKey === `{}:{alertname="${name}"}`);
      // One notice is one text, however often it was tried.
      const texts = new Map<string, string>();
      for (const { id, payload } of ofGroup) {
        const text = JSON.stringify(payload.alerts.map(({ status }) => status));
        expect(texts.get(id) ?? text).toBe(text);
        texts.set(id, text);
      }
      // Notices in order: what is told is never what was told last.
      const told = [...texts.values()];
      expect(told.every((text, index) => text !== told[index - 1])).toBe(true);
      expect(ofGroup.at(-1)?.payload.status ?? "resolved").toBe("resolved");
    }
    expect(heard.length).toBeGreaterThan(20);
    const states = (await replica.desk.notices({ limit: 1_000 })).map(({ state }) => state);
    expect(states).not.toContain("queued");
    expect((await verifyJournal(house.fixture.database)).kind).toBe("intact");
    await ear.close();
    await house.close();
  }, 120_000);
});
