/** More of the made-up control plane: runbooks, the safety budget, rollouts, states of requests. */
import { create, type DescMethod, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { PlanSchema } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { RecoveryService } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { RegionService } from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import { RequestStatesService } from "@mainstay/proto/gen/mainstay/operator/v1/request_states_pb";
import { RolloutState, RolloutsService } from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import {
  RunbookRunState,
  type RunbookSchema,
  RunbooksService,
} from "@mainstay/proto/gen/mainstay/operator/v1/runbooks_pb";
import { SafetyService } from "@mainstay/proto/gen/mainstay/operator/v1/safety_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";

export class Refusal extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}

/** Makes an answer a handler that knows its caller. */
export type Answers = <M extends DescMethod>(
  method: M,
  answer: (request: MessageShape<M["input"]>) => MessageInitShape<M["output"]>,
) => (
  call: ServerUnaryCall<MessageShape<M["input"]>, MessageShape<M["output"]>>,
  done: sendUnaryData<MessageShape<M["output"]>>,
) => void;

const PLAN_HASH = "5a".repeat(32);

/** What policy and the agent say to a change. */
export interface PlannedWorld {
  readonly planSummary: string;
  readonly planSteps: unknown;
  readonly verdict: string;
  readonly elicitation: boolean;
  readonly approvalsNeeded: number;
}

export function planOf(fake: PlannedWorld): MessageShape<typeof PlanSchema> {
  return create(PlanSchema, {
    hash: PLAN_HASH,
    summary: fake.planSummary,
    planJson: JSON.stringify(fake.planSteps),
    verdict: fake.verdict,
    verdictBecause: "the rule asks for an approval",
    policyRule: "AI clients ask",
    approvalsNeeded: fake.verdict === "ask" ? fake.approvalsNeeded : 0,
    approverRole: "approver",
    elicitation: fake.elicitation,
    blastRadius: {
      nodes: ["db-1"],
      components: ["database"],
      dependents: ["web"],
      roleShare: 0.5,
      criticality: "high",
    },
    inverseKind: "irreversible",
    expectedEffect: "3.1 GB more are free",
  });
}

/** What of the world these services tell. */
export interface FurtherWorld {
  readonly runbooks: MessageInitShape<typeof RunbookSchema>[];
  readonly usedStates: Set<string>;
  readonly fact: string;
  readonly finding: string;
}

export function addFurtherServices(server: Server, fake: FurtherWorld, answers: Answers): void {
  const { listRunbooks, getRunbook, runRunbook, getRunbookRun } = RunbooksService.method;
  const runbook = (wanted: string): MessageInitShape<typeof RunbookSchema> => {
    const found = fake.runbooks.find(({ name }) => name === wanted);
    if (found === undefined) throw new Refusal(status.NOT_FOUND, `no runbook "${wanted}"`);
    return found;
  };
  server.addService(toServiceDefinition(RunbooksService), {
    listRunbooks: answers(listRunbooks, () => ({ runbooks: fake.runbooks })),
    getRunbook: answers(getRunbook, ({ name }) => ({
      runbook: runbook(name),
      text: `name: ${name}\n`,
    })),
    runRunbook: answers(runRunbook, ({ name, dryRun, parametersJson }) => ({
      run: { runId: "r-1", runbook: name, dryRun, parametersJson, state: RunbookRunState.RUNNING },
    })),
    getRunbookRun: answers(getRunbookRun, ({ runId }) => ({
      run: {
        runId,
        runbook: "disk-space",
        state: RunbookRunState.SUCCEEDED,
        steps: [{ id: "look", findings: [fake.finding] }],
      },
    })),
  });
  const { getSafety } = SafetyService.method;
  server.addService(toServiceDefinition(SafetyService), {
    getSafety: answers(getSafety, () => ({
      automaticAllowed: false,
      because: fake.fact,
      brake: { tripped: true, because: "too many actions failed" },
      budget: { taken: 7, actionsPerHour: 30, failed: 2 },
      domains: [{ label: "zone", value: "a", nodes: 4, unhealthy: 3, storm: "storm" }],
      openCases: 1,
    })),
  });
  const { listRollouts } = RolloutsService.method;
  server.addService(toServiceDefinition(RolloutsService), {
    listRollouts: answers(listRollouts, () => ({
      rollouts: [
        {
          rolloutId: "ro-1",
          spec: { action: "restart-service" },
          state: RolloutState.RUNNING,
          wave: 2,
          waves: 3,
          counts: { targets: 10, succeeded: 1 },
          heldBecause: fake.fact,
        },
      ],
    })),
  });
  const { listObjectives, listClusters, listDecisions, explainDecision } = RecoveryService.method;
  const decision = { cluster: "main", epoch: 3n, kind: "failover", from: "db-1", candidate: "db-2" };
  server.addService(toServiceDefinition(RecoveryService), {
    listObjectives: answers(listObjectives, () => ({
      objectives: [{ component: "main", verdict: "met", measuredRtoMs: 3_100n, liveBecause: fake.fact }],
    })),
    listClusters: answers(listClusters, () => ({
      clusters: [
        { cluster: "main", primary: "db-2", epoch: 3n, members: [{ node: "db-1" }], because: fake.fact },
      ],
    })),
    listDecisions: answers(listDecisions, () => ({
      decisions: [{ ...decision, outcome: "done", rtoMs: 3_100n, trigger: fake.fact }],
    })),
    explainDecision: answers(explainDecision, () => ({
      decision: { ...decision, outcome: "done", rtoMs: 3_100n },
      steps: [{ kind: "intended", says: fake.fact }],
    })),
  });
  const { listRegions, explainRegion } = RegionService.method;
  const run = { region: "east", epoch: 2n, phase: "closed", tookMs: 9_000n };
  server.addService(toServiceDefinition(RegionService), {
    listRegions: answers(listRegions, () => ({
      regions: [
        {
          region: "east",
          to: "west",
          run,
          steps: [{ step: "cache", missingMs: 1_000n, because: fake.fact }],
        },
      ],
    })),
    explainRegion: answers(explainRegion, () => ({
      run,
      records: [{ kind: "begun", says: fake.fact }],
      components: [{ component: "redis", rtoMs: 4_000n, verdict: "met" }],
    })),
  });
  const { getStateKey, useState } = RequestStatesService.method;
  server.addService(toServiceDefinition(RequestStatesService), {
    getStateKey: answers(getStateKey, () => ({ key: new Uint8Array(32).fill(7) })),
    useState: answers(useState, ({ stateId }) => {
      const first = !fake.usedStates.has(stateId);
      fake.usedStates.add(stateId);
      return { first };
    }),
  });
}
