/** A planned stop that is called off: the node owns its epoch all the while, whoever calls it off and however long it takes. */
import { describe, expect, test } from "vitest";
import { bootAgent, stepAgent } from "./agent.js";
import { type AgentEvent, type AgentState, describe as describeAgent, firstKept } from "./agent-state.js";
import { localPolicy } from "./policy.js";
import { CONTROL_PLANE } from "./words.js";

const policy = localPolicy(["a", "b"], { mode: "synchronous", rpoBytes: 0 });
const at = 1_000_000;
const kept = { ...firstKept("a", "a"), promised: 5, epoch: 5, began: 5, opened: 5 };

/** The open owner of 5, with a lease for as long as it lasts. */
function owner(): AgentState {
  const { state } = bootAgent(policy, "a", kept, 1, at - 10_000);
  return { ...state, database: "open", leaseUntil: at + policy.leaseMs, lsn: 10 };
}

const step = (state: AgentState, event: AgentEvent, now: number) => stepAgent(policy, state, event, now);
const order = (kind: "step-down" | "carry-on", epoch: number): AgentEvent => ({
  kind: "message",
  from: CONTROL_PLANE,
  message: { kind, epoch },
});

describe("an owner that was asked to stop", () => {
  const late = at + policy.stepDownMs + 1;
  test.each([
    { by: "the control plane", event: order("carry-on", 6), now: at + 1_000 },
    { by: "itself, as nobody came", event: { kind: "tick" } as const, now: late },
  ])(
    "and goes on, by $by, is starting again until its shutdown has ended, and then opens",
    ({ event, now }) => {
      const asked = step(owner(), order("step-down", 6), at);
      expect(asked.effects).toContainEqual({ kind: "drain" });
      const held = { ...asked.state, leaseUntil: now + policy.leaseMs };
      const ended = step(held, event, now);
      expect(ended.because).toMatch(/carries on|asks for the lease/);
      expect(ended.effects.filter(({ kind }) => kind === "kill").length).toBe(1);
      expect(describeAgent(policy, ended.state, now).role).toBe("restarting");
      // The kill takes its time, and the lease is renewed meanwhile.
      const meanwhile = step(ended.state, { kind: "tick" }, now + policy.renewMs + 1);
      expect(meanwhile.effects).toContainEqual(
        expect.objectContaining({
          kind: "send",
          to: "b",
          message: expect.objectContaining({ kind: "lease-request", epoch: 5 }),
        }),
      );
      expect(describeAgent(policy, meanwhile.state, now + policy.renewMs + 1).role).toBe("restarting");
      // Said again, it is not ended again.
      const again = step(meanwhile.state, order("carry-on", 6), now + policy.renewMs + 2);
      expect(again.effects).toEqual([]);
      const { run } = again.state;
      const exited = step(again.state, { kind: "exited", run, lsn: 11 }, now + policy.renewMs + 3);
      expect(exited.effects).toContainEqual(expect.objectContaining({ kind: "start", as: "primary" }));
      expect(exited.effects).not.toContainEqual(
        expect.objectContaining({ message: expect.objectContaining({ kind: "stepped-down" }) }),
      );
      expect(exited.state).toMatchObject({ database: "opening", draining: null, crashes: [] });
    },
  );

  test("and has promised another epoch meanwhile is closed, and stays so", () => {
    const asked = step(owner(), order("step-down", 6), at);
    const ended = step(asked.state, order("carry-on", 6), at + 10);
    const promise = { kind: "message", from: CONTROL_PLANE, message: { kind: "promise", epoch: 7 } } as const;
    const promised = step(ended.state, promise, at + 20);
    expect(describeAgent(policy, promised.state, at + 20).role).toBe("fenced");
    const exited = step(promised.state, { kind: "exited", run: promised.state.run, lsn: 11 }, at + 30);
    expect(exited.state.database).toBe("stopped");
    expect(exited.effects).toContainEqual(
      expect.objectContaining({ message: expect.objectContaining({ kind: "promised", fenced: true }) }),
    );
  });
});
