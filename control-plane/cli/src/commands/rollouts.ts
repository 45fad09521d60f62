/** Rollouts: one action on many targets, in waves. */
import { toJson } from "@bufbuild/protobuf";
import {
  GetRolloutResponseSchema,
  ListRolloutsResponseSchema,
  PlanRolloutResponseSchema,
  type Rollout,
  RolloutSchema,
  RolloutState,
  type RolloutTarget,
  RolloutTargetState,
} from "@mainstay/proto/gen/mainstay/operator/v1/rollouts_pb";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { enumWords, printable, render, table, timeText } from "../output.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";
import {
  readAmount,
  readCount,
  readLabels,
  readLimits,
  readNames,
  readSeconds,
  readWaves,
} from "./rollout-shape.js";

const LIST_MAX = 200;
const WAIT_MS = 10_000;

const ENDS: ReadonlyMap<RolloutState, ExitCode> = new Map([
  [RolloutState.AWAITING_APPROVAL, EXIT.waiting],
  [RolloutState.STOPPED, EXIT.failed],
  [RolloutState.ABORTED, EXIT.failed],
  [RolloutState.EXPIRED, EXIT.failed],
  [RolloutState.REJECTED, EXIT.denied],
]);

/** A rollout that went to its end without all of its targets is done, and not as it should be. */
function exitOf({ state, counts }: Rollout): ExitCode {
  if (state === RolloutState.SUCCEEDED && counts !== undefined && counts.succeeded < counts.targets)
    return EXIT.degraded;
  return ENDS.get(state) ?? EXIT.ok;
}

function describe(rollout: Rollout): string {
  const { spec, counts } = rollout;
  const approvals =
    rollout.approvalsNeeded === 0
      ? []
      : [
          `approvals: ${rollout.approvedBy.length} of ${rollout.approvalsNeeded}${rollout.approvedBy.map(({ name }) => ` ${name}`).join("")}`,
        ];
  return [
    `${rollout.rolloutId}: ${enumWords(RolloutState, rollout.state)}, because ${rollout.because}`,
    `${spec?.action} on ${counts?.targets} targets, arguments ${spec?.argumentsJson}; requested by ${rollout.requestedBy?.kind}:${rollout.requestedBy?.name} at ${timeText(rollout.requestedAt)}`,
    ...(rollout.planHash === "" ? [] : [`plan ${rollout.planHash}`]),
    ...approvals,
    `wave ${rollout.wave} of ${rollout.waves}: ${progress(rollout)}`,
    ...(rollout.heldBecause === "" ? [] : [`held: ${rollout.heldBecause}`]),
  ]
    .map(printable)
    .join("\n");
}

function progress({ counts }: Rollout): string {
  if (counts === undefined) return "-";
  const named: readonly (readonly [string, number])[] = [
    ["planned", counts.planned],
    ["under way", counts.underWay],
    ["succeeded", counts.succeeded],
    ["failed", counts.failed],
    ["drifted", counts.drifted],
    ["left out", counts.leftOut],
    ["cancelled", counts.cancelled],
  ];
  return named.flatMap(([name, count]) => (count === 0 ? [] : [`${count} ${name}`])).join(", ") || "-";
}

function targetsTable(targets: readonly RolloutTarget[]): string {
  return table(
    ["WAVE", "NODE", "STATE", "COMMAND", "PLAN", "BECAUSE"],
    targets.map((target) => [
      target.wave === 0 ? "-" : `${target.wave}`,
      target.nodeName,
      enumWords(RolloutTargetState, target.state),
      target.commandId || "-",
      target.planSummary || "-",
      target.because,
    ]),
  );
}

async function plan(invocation: Invocation): Promise<ExitCode> {
  const { rollouts } = await invocation.controlPlane();
  const flag = (name: string): string | undefined => textFlag(invocation, name);
  const stopAt = flag("stop-at");
  const stop = stopAt === undefined ? { count: 0, percent: 0 } : readAmount("stop-at", stopAt);
  const answer = await rollouts.planRollout({
    requestId: flag("request-id") ?? `cli-${invocation.now()}`,
    waitMs: WAIT_MS,
    spec: {
      action: invocation.positionals[0] ?? "",
      argumentsJson: flag("arguments") ?? "{}",
      reason: reasonOf(invocation),
      nodes: readNames(flag("nodes")),
      matchLabels: readLabels(flag("match")),
      waves: readWaves(flag("waves")),
      gate: {
        expr: flag("gate") ?? "",
        settleSeconds: readSeconds("settle", flag("settle")),
        withinSeconds: readSeconds("within", flag("within")),
      },
      // A share alone is not to be cut short by the number that stands for none.
      stopAtFailures: stop.percent > 0 ? 10_000 : stop.count,
      stopAtPercent: stop.percent,
      maxInFlight: readCount("at-once", flag("at-once")),
      limits: readLimits(flag("limits")),
      expiresInSeconds: readSeconds("expires", flag("expires")),
    },
  });
  const { rollout } = answer;
  if (rollout === undefined) throw new Failure("the control plane answered without a rollout");
  invocation.write(
    render(invocation.form, toJson(PlanRolloutResponseSchema, answer), () =>
      [
        describe(rollout),
        targetsTable(answer.targets),
        ...(rollout.state === RolloutState.PLANNED
          ? [`to apply it: mainstay rollout apply ${rollout.rolloutId} --plan ${rollout.planHash}`]
          : []),
      ].join("\n"),
    ),
  );
  return exitOf(rollout);
}

/** What is decided about one rollout: its id, and the plan that was read or a reason. */
type Decision = "apply" | "approve" | "reject" | "pause" | "resume" | "abort";

async function decide(invocation: Invocation, decision: Decision): Promise<ExitCode> {
  const { rollouts } = await invocation.controlPlane();
  const rolloutId = invocation.positionals[0] ?? "";
  const reason = (): string => reasonOf(invocation);
  const hash = async (): Promise<string> => {
    const planHash = textFlag(invocation, "plan");
    if (planHash !== undefined) return planHash;
    const { rollout } = await rollouts.getRollout({ rolloutId });
    if (rollout !== undefined) invocation.warn(describe(rollout));
    throw new Failure("give --plan HASH of the plan that you have read, so that no other is meant by it");
  };
  const ask = async () => {
    switch (decision) {
      case "apply":
        return rollouts.applyRollout({ rolloutId, planHash: await hash() });
      case "approve":
        return rollouts.approveRollout({ rolloutId, planHash: await hash(), reason: reason() });
      case "reject":
        return rollouts.rejectRollout({ rolloutId, reason: reason() });
      case "pause":
        return rollouts.pauseRollout({ rolloutId, reason: reason() });
      case "resume":
        return rollouts.resumeRollout({ rolloutId, reason: reason() });
      case "abort":
        return rollouts.abortRollout({ rolloutId, reason: reason() });
    }
  };
  const { rollout } = await ask();
  if (rollout === undefined) throw new Failure("the control plane answered without a rollout");
  invocation.write(render(invocation.form, toJson(RolloutSchema, rollout), () => describe(rollout)));
  // What was asked for was done: the rollout's own bad end is no failure of the one who ended it.
  return rollout.state === RolloutState.AWAITING_APPROVAL ? EXIT.waiting : EXIT.ok;
}

async function get(invocation: Invocation): Promise<ExitCode> {
  const { rollouts } = await invocation.controlPlane();
  const answer = await rollouts.getRollout({ rolloutId: invocation.positionals[0] ?? "" });
  const { rollout } = answer;
  if (rollout === undefined) throw new Failure("the control plane answered without a rollout");
  invocation.write(
    render(
      invocation.form,
      toJson(GetRolloutResponseSchema, answer),
      () => `${describe(rollout)}\n${targetsTable(answer.targets)}`,
    ),
  );
  return exitOf(rollout);
}

async function list(invocation: Invocation): Promise<ExitCode> {
  const { rollouts } = await invocation.controlPlane();
  const answer = await rollouts.listRollouts({ page: { size: LIST_MAX } });
  invocation.write(
    render(invocation.form, toJson(ListRolloutsResponseSchema, answer), () =>
      table(
        ["ID", "STATE", "ACTION", "REQUESTED", "BY", "WAVE", "TARGETS", "BECAUSE"],
        answer.rollouts.map((rollout) => [
          rollout.rolloutId,
          enumWords(RolloutState, rollout.state),
          rollout.spec?.action ?? "",
          timeText(rollout.requestedAt),
          rollout.requestedBy?.name ?? "",
          `${rollout.wave}/${rollout.waves}`,
          progress(rollout),
          rollout.because,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

/** Each change on a line (or as a document), until it comes to rest. */
async function watch(invocation: Invocation): Promise<ExitCode> {
  const { rollouts } = await invocation.controlPlane();
  const events = rollouts.watchRollout(
    { rolloutId: invocation.positionals[0] ?? "" },
    { signal: invocation.signal },
  );
  let last: Rollout | undefined;
  for await (const { rollout } of events) {
    if (rollout === undefined) continue;
    last = rollout;
    const held = rollout.heldBecause === "" ? "" : ` (${rollout.heldBecause})`;
    const line = `${enumWords(RolloutState, rollout.state)}, wave ${rollout.wave} of ${rollout.waves}: ${progress(rollout)}${held}`;
    invocation.write(
      render(invocation.form, toJson(RolloutSchema, rollout), () => printable(`${line}; ${rollout.because}`)),
    );
  }
  return last === undefined ? EXIT.ok : exitOf(last);
}

const PLAN = { plan: { type: "string" } } as const;
const PLAN_HELP = "  --plan HASH           the plan that you have read";

const PLAN_OPTIONS = Object.fromEntries(
  [
    ...["nodes", "match", "arguments", "waves", "gate", "settle", "within", "stop-at", "at-once", "limits"],
    ...["expires", "request-id", "reason"],
  ].map((name) => [name, { type: "string" } as const]),
);

const ONE = { least: 1, most: 1 } as const;

function deciding(decision: Decision, summary: string, needs: "plan" | "reason" | "both"): Command {
  const plan = needs !== "reason";
  const reason = needs !== "plan";
  return {
    name: `rollout ${decision}`,
    usage: `ID${plan ? " --plan HASH" : ""}${reason ? " --reason TEXT" : ""}`,
    summary,
    help: [...(plan ? [PLAN_HELP] : []), ...(reason ? [REASON_HELP] : [])].join("\n"),
    options: { ...(plan ? PLAN : {}), ...(reason ? REASON : {}) },
    // A pause only holds things back: it is at hand in a read-only context too.
    changes: decision !== "pause",
    positionals: ONE,
    run: (invocation) => decide(invocation, decision),
  };
}

export const rolloutCommands: readonly Command[] = [
  {
    name: "rollout plan",
    usage: "ACTION (--nodes A,B | --match LABEL=VALUE) --reason TEXT",
    summary: "Have an action planned on many nodes; nothing is touched.",
    help: `  --nodes A,B           names or ids
  --match L=V,L=V       all nodes with these labels
  --arguments JSON      for each of them (default {})
  --waves 1,10%         how many targets each wave takes; the last takes the rest (default 1,10%)
  --gate EXPR           PromQL that must hold between waves (default: no new critical alert on what is done)
  --settle 60s          for how long (default 60s)
  --within 10m          stop when it does not come to hold within (default 10 minutes after --settle)
  --stop-at 1 | 5%      stop when so many targets have failed (default 1)
  --at-once N           targets under way at once (default 10)
  --limits role=34%     targets of one label's value under way at once (default role=34%,zone=50%)
  --expires 4h          nothing is started after this (default 4h)
  --request-id ID       asking twice is asking once
${REASON_HELP}`,
    options: PLAN_OPTIONS,
    positionals: ONE,
    run: plan,
  },
  deciding("apply", "Let a planned rollout go on; exit code 4 when it waits for approval.", "plan"),
  deciding("approve", "Approve a rollout, once for all of its commands.", "both"),
  deciding("reject", "Reject a rollout.", "reason"),
  deciding("pause", "Start nothing more until it is resumed.", "reason"),
  deciding("resume", "Go on after a pause, or after it stopped by itself.", "reason"),
  deciding("abort", "End it: what runs is cancelled.", "reason"),
  {
    name: "rollout get",
    usage: "ID",
    summary: "One rollout with its targets; exit code 1 when it failed, 2 when not all targets are done.",
    help: "",
    options: {},
    positionals: ONE,
    run: get,
  },
  {
    name: "rollout list",
    usage: "",
    summary: "Rollouts, newest first.",
    help: "",
    options: {},
    positionals: { least: 0, most: 0 },
    run: list,
  },
  {
    name: "rollout watch",
    usage: "ID",
    summary: "Follow a rollout until it comes to rest; exit codes as of rollout get.",
    help: "",
    options: {},
    positionals: ONE,
    run: watch,
  },
];
