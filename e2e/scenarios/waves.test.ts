/** An action goes over several real hosts in waves: approved once, stopped by a failure, carried on after a kill. */
import { join } from "node:path";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import {
  type Rollout,
  RolloutState,
  type RolloutTarget,
  RolloutTargetState,
} from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Operator } from "../harness/operator.js";
import { SlowService } from "../harness/slow-service.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const NODES = ["web-1", "web-2", "web-3", "web-4"];
/** Long enough to be killed in the middle of. */
const STOP_MS = 1_500;
/** Its service does not come back when it is restarted. */
const BROKEN = "web-2";

const POLICY = `rules:
  - { name: restarts are approved, actions: [restart-service], verdict: ask }
  - { name: everything else, verdict: allow }
`;

let stack: Stack;
let operator: Operator;
let approver: Operator;
const services = new Map<string, SlowService>();

beforeAll(async () => {
  stack = await Stack.start({ policy: POLICY });
  operator = stack.operator();
  approver = await stack.person("bob", [Role.APPROVER]);
  for (const name of NODES) {
    const service = new SlowService(join(stack.directory, `service-${name}`), STOP_MS);
    services.set(name, service);
    stack.atEnd(() => service.stop());
    await service.start();
    const [declared] = service.declaration.restartService.processes;
    const start = name === BROKEN ? ["/bin/false"] : declared?.start;
    await stack.startAgent(name, {
      labels: { role: "web" },
      actions: { restartService: { processes: [{ ...declared, start }] } },
    });
  }
  await until("the nodes", async () => {
    const { nodes } = await operator.fleet().listNodes({});
    return nodes.filter(({ actions }) => actions.includes("restart-service")).length === NODES.length
      ? true
      : undefined;
  });
}, 120_000);
afterAll(() => stack?.stop());

const starts = (name: string): number => services.get(name)?.count("started") ?? 0;

let requests = 0;
async function plan(nodes: readonly string[], waves: readonly number[]): Promise<Rollout> {
  const request = {
    requestId: `rollout-${++requests}`,
    waitMs: 30_000,
    spec: {
      action: "restart-service",
      argumentsJson: '{"process":"worker"}',
      reason: "a test wants it",
      nodes: [...nodes],
      waves: waves.map((count) => ({ count })),
      gate: { settleSeconds: 1 },
      limits: [{ label: "role", max: 2 }],
    },
  };
  const { rollout } = await operator.rollouts().planRollout(request);
  const again = await operator.rollouts().planRollout(request);
  expect(again.rollout?.rolloutId).toBe(rollout?.rolloutId);
  if (rollout === undefined) throw new Error("no rollout");
  expect(rollout).toMatchObject({ state: RolloutState.PLANNED, approvalsNeeded: 1 });
  return rollout;
}

async function letRun({ rolloutId, planHash }: Rollout): Promise<void> {
  const { rollout } = await operator.rollouts().applyRollout({ rolloutId, planHash });
  expect(rollout?.state).toBe(RolloutState.AWAITING_APPROVAL);
  await approver.rollouts().approveRollout({ rolloutId, planHash, reason: "read it" });
}

function reaches(
  rolloutId: string,
  state: RolloutState,
): Promise<{ rollout: Rollout; targets: readonly RolloutTarget[] }> {
  return until(
    `rollout ${rolloutId} to be ${RolloutState[state]}`,
    async () => {
      const { rollout, targets } = await operator.rollouts().getRollout({ rolloutId });
      if (rollout?.state === state) return { rollout, targets };
      throw new Error(
        `it is ${RolloutState[rollout?.state ?? 0]}: ${rollout?.because} ${rollout?.heldBecause}`,
      );
    },
    60_000,
  );
}

const stateOf = (targets: readonly RolloutTarget[], name: string): string | undefined =>
  RolloutTargetState[targets.find(({ nodeName }) => nodeName === name)?.state ?? 0];

describe("a rollout", () => {
  test("is approved once by another person, and stops at the first failure until a person resumes it", async () => {
    const before = new Map(NODES.map((name) => [name, starts(name)]));
    const planned = await plan(NODES, [1, 2]);
    const { rolloutId, planHash } = planned;
    expect(planned.waves).toBe(3);
    await operator.rollouts().applyRollout({ rolloutId, planHash });
    await expect(operator.rollouts().approveRollout({ rolloutId, planHash, reason: "mine" })).rejects.toThrow(
      /another must approve/,
    );
    await expect(
      approver.rollouts().approveRollout({ rolloutId, planHash: "0".repeat(64), reason: "another" }),
    ).rejects.toThrow(/its plan is/);
    expect(NODES.map(starts)).toEqual([...before.values()]);
    await approver.rollouts().approveRollout({ rolloutId, planHash, reason: "read it" });

    const stopped = await reaches(rolloutId, RolloutState.STOPPED);
    expect(stopped.rollout.because).toContain("1 of 4 targets failed");
    expect(stateOf(stopped.targets, "web-1")).toBe("SUCCEEDED");
    expect(stateOf(stopped.targets, BROKEN)).toBe("FAILED");
    expect(stateOf(stopped.targets, "web-4")).toBe("PLANNED");
    expect(starts("web-4")).toBe(before.get("web-4"));

    await operator.rollouts().resumeRollout({ rolloutId, reason: "that one is known" });
    const ended = await reaches(rolloutId, RolloutState.SUCCEEDED);
    expect(ended.rollout.counts).toMatchObject({ targets: 4, succeeded: 3, failed: 1 });
    for (const name of NODES)
      expect([name, starts(name) - (before.get(name) ?? 0)]).toEqual([name, name === BROKEN ? 0 : 1]);
  }, 120_000);

  test("goes on where it was when the control plane is killed in the middle of a wave, and does nothing twice", async () => {
    const nodes = NODES.filter((name) => name !== BROKEN);
    const before = new Map(nodes.map((name) => [name, starts(name)]));
    const planned = await plan(nodes, [1, 1]);
    await letRun(planned);
    const { rolloutId } = planned;
    await until(
      "the second wave",
      async () => {
        const { rollout } = await operator.rollouts().getRollout({ rolloutId });
        return rollout?.wave === 2 && (rollout.counts?.underWay ?? 0) > 0 ? true : undefined;
      },
      60_000,
    );
    await stack.controlPlane.killHard();
    await stack.startControlPlane();
    const ended = await reaches(rolloutId, RolloutState.SUCCEEDED);
    expect(ended.rollout.counts).toMatchObject({ targets: 3, succeeded: 3 });
    for (const name of nodes) expect([name, starts(name) - (before.get(name) ?? 0)]).toEqual([name, 1]);
    const { entries } = await operator.journal().listEntries({ subject: `rollout:${rolloutId}` });
    expect(entries.map(({ kind }) => kind)).toEqual([
      "rollout.requested",
      "rollout.planned",
      "rollout.awaiting-approval",
      "rollout.running",
      "rollout.wave",
      "rollout.wave",
      "rollout.wave",
      "rollout.succeeded",
    ]);
  }, 120_000);

  test("waits while the brake is tripped, and is aborted without having touched anything", async () => {
    const before = starts("web-1");
    const { brake } = await operator.safety().tripBrake({ reason: "something is odd" });
    expect(brake).toMatchObject({ tripped: true, because: "something is odd" });
    const planned = await plan(["web-1"], []);
    await letRun(planned);
    const { rolloutId } = planned;
    await until("why it is held", async () => {
      const { rollout } = await operator.rollouts().getRollout({ rolloutId });
      return rollout?.heldBecause.includes("the brake is tripped: something is odd") ? true : undefined;
    });
    await expect(operator.safety().resetBrake({ reason: " " })).rejects.toThrow(/a reason is needed/);
    await operator.rollouts().abortRollout({ rolloutId, reason: "not now" });
    await approver.safety().resetBrake({ reason: "it was nothing" });
    const ended = await reaches(rolloutId, RolloutState.ABORTED);
    expect(stateOf(ended.targets, "web-1")).toBe("CANCELLED");
    expect(starts("web-1")).toBe(before);
  }, 60_000);
});
