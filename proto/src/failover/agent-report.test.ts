/** When a replica tells the control plane how it is, besides its beat. */
import { expect, test } from "vitest";
import { bootAgent, stepAgent } from "./agent.js";
import { type AgentState, firstKept } from "./agent-state.js";
import { localPolicy } from "./policy.js";
import { CONTROL_PLANE } from "./words.js";

const policy = localPolicy(["a", "b"], { mode: "synchronous", rpoBytes: 0, reportMs: 300, silentMs: 1_500 });

/** A replica that has heard its primary at 1,000 ms, and reported ever since at each of `beats`. */
function replicaThatHeard(beats: readonly number[]): AgentState {
  let { state } = bootAgent(policy, "b", firstKept("a", "b"), 1, 0);
  const request = { kind: "lease-request", epoch: 1, round: 1 } as const;
  state = stepAgent(policy, state, { kind: "message", from: "a", message: request }, 1_000).state;
  for (const at of beats) state = stepAgent(policy, state, { kind: "tick" }, at).state;
  return state;
}

const told = (state: AgentState, at: number) =>
  stepAgent(policy, state, { kind: "tick" }, at).effects.flatMap((effect) =>
    effect.kind === "send" && effect.to === CONTROL_PLANE && effect.message.kind === "state"
      ? [effect.message.hearsPrimary]
      : [],
  );

test.each([
  { when: "1 ms before its primary counts as silent", beats: [2_400], at: 2_499, says: [] },
  {
    when: "as soon as its primary is silent, and not with the next beat",
    beats: [2_400],
    at: 2_500,
    says: [false],
  },
  { when: "once, and then with the beat again", beats: [2_400, 2_500], at: 2_550, says: [] },
  { when: "with the beat, whatever has changed", beats: [2_400, 2_500], at: 2_800, says: [false] },
])("a replica tells how it is: $when", ({ beats, at, says }) => {
  expect(told(replicaThatHeard(beats), at)).toEqual(says);
});
