import { create } from "@bufbuild/protobuf";
import { type ConnectResponse, ConnectResponseSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstState, type LinkInput, type LinkState, nextTurnAt, step } from "./session.js";

const message = (body: ConnectResponse["body"]): ConnectResponse => create(ConnectResponseSchema, { body });
const welcome = message({
  case: "welcome",
  value: {
    $typeName: "mainstay.agent.v1.Welcome",
    nodeId: "n",
    sessionGeneration: 3n,
    heartbeatMs: 2000,
    resumeAfterSequence: 7n,
    orderKeys: [],
  },
});
const drain = message({
  case: "drain",
  value: { $typeName: "mainstay.agent.v1.Drain", reconnectAfterMs: 1000, jitterMs: 500, because: "moving" },
});
const cancel = message({
  case: "cancel",
  value: { $typeName: "mainstay.agent.v1.CancelOrder", commandId: "c", because: "b" },
});

const now = 50_000;
const waiting: LinkState = { kind: "waiting", failures: 2, until: now };
const greeting: LinkState = { kind: "greeting", failures: 2, until: now + 10 };
const live: LinkState = { kind: "live", failures: 2, since: now - 5000, heartbeatMs: 2000, generation: 3n };
const oldLive: LinkState = { ...live, since: now - 10_000 };
const leaving: LinkState = { kind: "leaving", until: now + 10, reopenAt: now + 500 };

interface Row {
  readonly when: string;
  readonly state: LinkState;
  readonly input: LinkInput;
  readonly at?: number;
  readonly becomes: Partial<LinkState>;
  readonly does: readonly string[];
}

const turn = (lastSentAt = now): LinkInput => ({ kind: "turn", lastSentAt });
const ended = (code: number): LinkInput => ({ kind: "ended", code, details: "x" });

describe("the link's next step", () => {
  test.each<Row>([
    {
      when: "a wait is not over",
      state: waiting,
      input: turn(),
      at: now - 1,
      becomes: { kind: "waiting" },
      does: [],
    },
    {
      when: "a wait is over",
      state: waiting,
      input: turn(),
      becomes: { kind: "greeting", failures: 2 },
      does: ["open"],
    },
    { when: "no welcome came yet", state: greeting, input: turn(), becomes: { kind: "greeting" }, does: [] },
    {
      when: "no welcome came in time",
      state: greeting,
      input: turn(),
      at: now + 10,
      becomes: { kind: "greeting" },
      does: ["say", "cut-stream"],
    },
    {
      when: "a welcome comes",
      state: greeting,
      input: { kind: "received", message: welcome },
      becomes: { kind: "live", since: now, heartbeatMs: 2000 },
      does: ["say", "order-keys", "begin"],
    },
    {
      when: "something else comes before the welcome",
      state: greeting,
      input: { kind: "received", message: cancel },
      becomes: { kind: "greeting" },
      does: ["say", "cut-stream"],
    },
    {
      when: "a second welcome comes",
      state: live,
      input: { kind: "received", message: welcome },
      becomes: { kind: "live" },
      does: ["say", "cut-stream"],
    },
    {
      when: "something was said lately",
      state: live,
      input: turn(now - 1999),
      becomes: { kind: "live" },
      does: [],
    },
    {
      when: "nothing was said for a heartbeat",
      state: live,
      input: turn(now - 2000),
      becomes: { kind: "live" },
      does: ["heartbeat"],
    },
    {
      when: "a cancel comes",
      state: live,
      input: { kind: "received", message: cancel },
      becomes: { kind: "live" },
      does: ["cancel-order"],
    },
    {
      when: "asked to drain",
      state: live,
      input: { kind: "received", message: drain },
      becomes: { kind: "leaving", until: now + 5000, reopenAt: now + 1250 },
      does: ["say", "end-stream"],
    },
    {
      when: "a cancel comes while leaving",
      state: leaving,
      input: { kind: "received", message: cancel },
      becomes: { kind: "leaving" },
      does: ["cancel-order"],
    },
    {
      when: "leaving takes too long",
      state: leaving,
      input: turn(),
      at: now + 10,
      becomes: { kind: "leaving" },
      does: ["cut-stream"],
    },
    {
      when: "it has left",
      state: leaving,
      input: ended(0),
      becomes: { kind: "waiting", failures: 0, until: now + 500 },
      does: [],
    },
    {
      when: "a greeting fails",
      state: greeting,
      input: ended(14),
      becomes: { kind: "waiting", failures: 3, until: now + 2000 },
      does: ["say"],
    },
    {
      when: "a greeting fails, and there are other places to try",
      state: greeting,
      input: { kind: "ended", code: 14, details: "x", places: 3 },
      becomes: { kind: "waiting", failures: 3, until: now + 500 },
      does: ["say"],
    },
    {
      when: "a greeting fails, and the node is urgent",
      state: greeting,
      input: { kind: "ended", code: 14, details: "x", bounds: { baseMs: 300, capMs: 1_000 } },
      becomes: { kind: "waiting", failures: 3, until: now + 500 },
      does: ["say"],
    },
    {
      when: "an urgent node is not let in: asking often helps nobody",
      state: greeting,
      input: { kind: "ended", code: 16, details: "x", bounds: { baseMs: 300, capMs: 1_000 } },
      becomes: { kind: "waiting", failures: 3, until: now + 60_000 },
      does: ["say"],
    },
    {
      when: "a young stream ends",
      state: live,
      input: ended(14),
      becomes: { kind: "waiting", failures: 3 },
      does: ["say"],
    },
    {
      when: "a stream that lived ends",
      state: oldLive,
      input: ended(14),
      becomes: { kind: "waiting", failures: 0, until: now + 500 },
      does: ["say"],
    },
    {
      when: "the agent is not let in",
      state: greeting,
      input: ended(16),
      becomes: { kind: "waiting", failures: 3, until: now + 60_000 },
      does: ["say"],
    },
    {
      when: "asked to stop while live",
      state: live,
      input: { kind: "stop" },
      becomes: { kind: "stopped" },
      does: ["end-stream"],
    },
    {
      when: "asked to stop while waiting",
      state: waiting,
      input: { kind: "stop" },
      becomes: { kind: "stopped" },
      does: [],
    },
  ])("when $when", ({ state, input, at, becomes, does }) => {
    const next = step(state, input, at ?? now, 0.5);
    expect(next.state).toMatchObject(becomes);
    expect(next.effects.map(({ kind }) => kind)).toEqual(does);
  });

  test("a stopped link does nothing any more", () => {
    for (const input of [turn(), ended(0), { kind: "received", message: welcome } as const]) {
      expect(step({ kind: "stopped" }, input, now, 0.5)).toEqual({ state: { kind: "stopped" }, effects: [] });
    }
  });

  test("whatever happens, a link that is not stopped wants another turn or waits for its stream", () => {
    const inputs = fc.constantFrom<LinkInput>(
      turn(0),
      ended(14),
      ended(16),
      { kind: "received", message: welcome },
      { kind: "received", message: drain },
      { kind: "received", message: cancel },
    );
    const happening = fc.record({
      input: inputs,
      passMs: fc.nat(20_000),
      draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
        let state = firstState(0, 0.5);
        let at = 0;
        let streams = 0;
        for (const { input, passMs, draw } of happenings) {
          at += passMs;
          const open = state.kind !== "waiting";
          if (!open && input.kind !== "turn") continue;
          const next = step(state, input, at, draw);
          state = next.state;
          for (const { kind } of next.effects) {
            if (kind === "open") streams++;
          }
          if (input.kind === "ended" && open) streams--;
          // Never two streams at once, and always a time at which something will be done.
          if (streams < 0 || streams > 1) return false;
          if (nextTurnAt(state, at) === undefined) return false;
        }
        return true;
      }),
    );
  });
});
