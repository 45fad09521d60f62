/** Clusters under failover: how they stand, and what people ask of them. What changes an owner is planned first. */
import { toJson } from "@bufbuild/protobuf";
import {
  type FailoverRequest,
  FailoverRequestSchema,
  ListClustersResponseSchema,
  ListRequestsResponseSchema,
  type PlanFailoverResponse,
  PlanFailoverResponseSchema,
  type RecoveryClusterView,
  RecoveryClusterViewSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { parseDuration } from "#src/kernel/time";
import { type Command, type Invocation, textFlag } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { printable, render, table, timeText } from "../output.js";
import { REASON, REASON_HELP, reasonOf } from "./reason.js";

const REQUEST_ENDS: Readonly<Record<string, ExitCode>> = {
  "waiting-for-approval": EXIT.waiting,
  refused: EXIT.denied,
  lapsed: EXIT.failed,
};

/** What became of a request, as far as it is known. */
export function tellRequest(invocation: Invocation, request: FailoverRequest | undefined): ExitCode {
  if (request === undefined) throw new Failure("the control plane answered without the request");
  const { kind, cluster, requestId, state, because, to } = request;
  invocation.write(
    render(invocation.form, toJson(FailoverRequestSchema, request), () =>
      printable(
        `${kind} of ${cluster}${to === "" ? "" : ` to ${to}`} is ${state}: request ${requestId}${because === "" ? "" : `, ${because}`}`,
      ),
    ),
  );
  return REQUEST_ENDS[state] ?? EXIT.ok;
}

const stands = (cluster: RecoveryClusterView): boolean =>
  cluster.phase === "" && !cluster.paused && cluster.eligible.length > 0 && cluster.observedAt !== undefined;

function describe(cluster: RecoveryClusterView): string {
  const facts = [
    cluster.keptBy === ""
      ? `${cluster.cluster}: ${cluster.primary} owns epoch ${cluster.epoch}, ${cluster.mode}`
      : `${cluster.cluster}: ${cluster.primary} leads timeline ${cluster.timeline}, ${cluster.mode}, ${cluster.keptBy} keeps its lease`,
    `relied on: ${cluster.eligible.join(", ") || "nobody"}`,
    ...(cluster.paused ? ["PAUSED"] : []),
    ...(cluster.manual ? ["every failover needs approval"] : []),
    ...(cluster.phase === "" ? [] : [`decision ${cluster.decisionEpoch} is open: ${cluster.phase}`]),
    ...(cluster.awaits === "" ? [] : [`waits for a person: ${cluster.awaits}`]),
    cluster.observedAt === undefined
      ? "no control plane drives it"
      : `seen ${timeText(cluster.observedAt)}: ${cluster.because}`,
  ];
  const members = table(
    ["  NODE", "ROLE", "FOLLOWS", "STREAMS", "LSN", "PROMISED", "HEARD"],
    cluster.members.map((member) => [
      `  ${member.node}`,
      member.role || "-",
      member.following || "-",
      member.streaming ? "yes" : "no",
      String(member.lsn),
      String(member.promised),
      member.silentMs === undefined ? "never" : `${member.silentMs} ms before`,
    ]),
  );
  const poolers = cluster.poolers.map(({ node, to, holds, silentMs, because }) => {
    const state = holds ? "hold their clients" : `lead to ${to || "nobody"}`;
    const heard = silentMs === undefined ? "never heard" : `heard ${silentMs} ms before`;
    return printable(`  poolers on ${node} ${state} (${because}; ${heard})`);
  });
  return [printable(facts.join("; ")), members, ...poolers].join("\n");
}

async function status({ controlPlane, positionals, flags, form, write }: Invocation): Promise<ExitCode> {
  const { recovery } = await controlPlane();
  const answer = await recovery.listClusters({ includeReleased: flags["all"] === true });
  const [wanted] = positionals;
  if (wanted !== undefined) answer.clusters = answer.clusters.filter(({ cluster }) => cluster === wanted);
  write(
    render(form, toJson(ListClustersResponseSchema, answer), () =>
      answer.clusters.length === 0
        ? "no cluster is under failover"
        : answer.clusters.map(describe).join("\n\n"),
    ),
  );
  return answer.clusters.every((one) => one.releasedAt !== undefined || stands(one))
    ? EXIT.ok
    : EXIT.degraded;
}

async function register(invocation: Invocation): Promise<ExitCode> {
  const [cluster = ""] = invocation.positionals;
  const members = (textFlag(invocation, "members") ?? "").split(",").filter((name) => name !== "");
  const patroni = (textFlag(invocation, "patroni") ?? "").split(",").filter((url) => url !== "");
  const primary = textFlag(invocation, "primary") ?? (patroni.length > 0 ? "" : undefined);
  if (primary === undefined) throw new Failure("give --primary NODE: who is the primary now");
  const lease = textFlag(invocation, "lease");
  const leaseMs = lease === undefined ? 0 : parseDuration(lease);
  if (leaseMs === undefined) throw new Failure(`--lease is "${lease}", expected a duration such as 3s`);
  const { recovery } = await invocation.controlPlane();
  const answer = await recovery.registerCluster({
    cluster,
    members,
    primary,
    patroni,
    mode: textFlag(invocation, "mode") ?? "synchronous",
    rpoBytes: BigInt(wholeFlag(invocation, "rpo-bytes")),
    required: wholeFlag(invocation, "required"),
    leaseMs,
    manual: invocation.flags["manual"] === true,
    poolers: (textFlag(invocation, "poolers") ?? "").split(",").filter((name) => name !== ""),
    failoversPerHourMax: wholeFlag(invocation, "failovers-per-hour"),
  });
  const view = answer.cluster;
  if (view === undefined) throw new Failure("the control plane answered without the cluster");
  invocation.write(render(invocation.form, toJson(RecoveryClusterViewSchema, view), () => describe(view)));
  return EXIT.ok;
}

function wholeFlag(invocation: Invocation, name: string): number {
  const text = textFlag(invocation, name);
  if (text === undefined) return 0;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new Failure(`--${name} is "${text}", expected a whole number`);
}

async function release(invocation: Invocation): Promise<ExitCode> {
  const [cluster = ""] = invocation.positionals;
  const { recovery } = await invocation.controlPlane();
  await recovery.releaseCluster({ cluster, reason: reasonOf(invocation) });
  invocation.write(`${printable(cluster)} is let go: nothing is decided about it any more`);
  return EXIT.ok;
}

function describePlan(kind: string, cluster: string, plan: PlanFailoverResponse): string {
  const head =
    kind === "force"
      ? `forced failover of ${cluster} from ${plan.from}`
      : `switchover of ${cluster} from ${plan.from} to ${plan.to || "nobody"}`;
  const end =
    plan.against.length > 0
      ? plan.against.map((why) => `against it: ${why}`)
      : [
          plan.needsApproval ? "another person has to approve it" : "nobody else has to approve it",
          `nothing was begun; ask for it with --plan ${plan.planHash} --reason TEXT`,
        ];
  return [
    printable(head),
    ...plan.steps.map((step, index) => printable(`${index + 1}. ${step}`)),
    ...end.map(printable),
  ].join("\n");
}

const owner =
  (kind: "switchover" | "force") =>
  async (invocation: Invocation): Promise<ExitCode> => {
    const [cluster = ""] = invocation.positionals;
    const to = textFlag(invocation, "to") ?? "";
    const planHash = textFlag(invocation, "plan");
    const { recovery } = await invocation.controlPlane();
    if (planHash !== undefined) {
      const reason = reasonOf(invocation);
      const answer = await recovery.requestFailover({ cluster, kind, to, planHash, reason });
      return tellRequest(invocation, answer.request);
    }
    const plan = await recovery.planFailover({ cluster, kind, to });
    invocation.write(
      render(invocation.form, toJson(PlanFailoverResponseSchema, plan), () =>
        describePlan(kind, cluster, plan),
      ),
    );
    return plan.against.length === 0 ? EXIT.ok : EXIT.denied;
  };

const answer =
  (said: "approve" | "refuse" | "vouch") =>
  async (invocation: Invocation): Promise<ExitCode> => {
    const [cluster = "", what = ""] = invocation.positionals;
    const isEpoch = /^\d{1,15}$/.test(what);
    const { recovery } = await invocation.controlPlane();
    const decided = await recovery.decideFailover({
      cluster,
      requestId: isEpoch ? "" : what,
      epoch: BigInt(isEpoch ? what : 0),
      answer: said,
      reason: reasonOf(invocation),
      acceptLoss: invocation.flags["accept-loss"] === true,
    });
    return tellRequest(invocation, decided.request);
  };

const pause =
  (paused: boolean) =>
  async (invocation: Invocation): Promise<ExitCode> => {
    const [cluster = ""] = invocation.positionals;
    const { recovery } = await invocation.controlPlane();
    const asked = await recovery.pauseCluster({ cluster, paused, reason: reasonOf(invocation) });
    return tellRequest(invocation, asked.request);
  };

async function requests({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const { recovery } = await controlPlane();
  const listed = await recovery.listRequests({ cluster: positionals[0] ?? "" });
  write(
    render(form, toJson(ListRequestsResponseSchema, listed), () =>
      table(
        ["ID", "CLUSTER", "KIND", "TO", "BY", "AT", "STATE", "EPOCH", "WHY"],
        listed.requests.map((one) => [
          one.requestId,
          one.cluster,
          one.kind,
          one.to || "-",
          one.requestedBy,
          timeText(one.requestedAt),
          one.state,
          one.epoch === 0n ? "-" : String(one.epoch),
          one.because || one.reason,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

const PLANNED = { ...REASON, plan: { type: "string" } } as const;
const PLANNED_HELP = `  --plan HASH           ask for what was planned; without it nothing is begun\n${REASON_HELP}`;
const ONE = { least: 1, most: 1 } as const;
const TWO = { least: 2, most: 2 } as const;

export const failoverCommands: readonly Command[] = [
  {
    name: "failover status",
    usage: "[CLUSTER]",
    summary: "The clusters under failover, and their members as they were last heard.",
    help: "  --all                 also those that were let go",
    options: { all: { type: "boolean" } },
    positionals: { least: 0, most: 1 },
    run: status,
  },
  {
    name: "failover register",
    usage:
      "CLUSTER --members NODE,NODE --primary NODE [--mode synchronous|asynchronous] | CLUSTER --patroni URL,URL",
    summary:
      "Takes a running primary and its replicas under failover, or adopts a cluster that Patroni keeps.",
    changes: true,
    help: `  --members A,B         names of nodes; their agents have the same cluster in agent.yaml
  --primary NODE        who is the primary now
  --mode MODE           synchronous (default): a commit waits for a replica; asynchronous: at most --rpo-bytes ahead
  --rpo-bytes N         how much may be acknowledged that no replica holds
  --required N          how many replicas hold a write (default 1)
  --lease DURATION      default 3s
  --manual              every failover needs approval
  --poolers A,B         nodes whose agents look after its pgbouncers: a switchover holds their clients, and leads them on
  --failovers-per-hour N  so many, and the next needs approval (default 2)
  --patroni A,B         Patroni's REST API on each member; it keeps the lease, and with --manual or --failovers-per-hour is
                        put into maintenance mode while a failover needs approval (default: left as it is)`,
    options: {
      members: { type: "string" },
      primary: { type: "string" },
      mode: { type: "string" },
      "rpo-bytes": { type: "string" },
      required: { type: "string" },
      lease: { type: "string" },
      manual: { type: "boolean" },
      poolers: { type: "string" },
      patroni: { type: "string" },
      "failovers-per-hour": { type: "string" },
    },
    positionals: ONE,
    run: register,
  },
  {
    name: "failover release",
    usage: "CLUSTER --reason TEXT",
    summary: "Lets go of a cluster; its log stays.",
    changes: true,
    help: REASON_HELP,
    options: REASON,
    positionals: ONE,
    run: release,
  },
  {
    name: "failover switchover",
    usage: "CLUSTER [--to NODE] [--plan HASH --reason TEXT]",
    summary: "Plans a change of the owner that loses nothing; asks for it by the plan's hash.",
    changes: "with --plan",
    help: `  --to NODE             whom; else whoever is fit\n${PLANNED_HELP}`,
    options: { ...PLANNED, to: { type: "string" } },
    positionals: ONE,
    run: owner("switchover"),
  },
  {
    name: "failover force",
    usage: "CLUSTER [--plan HASH --reason TEXT]",
    summary: "Plans a failover whatever is lost; another person has to approve it.",
    changes: "with --plan",
    help: PLANNED_HELP,
    options: PLANNED,
    positionals: ONE,
    run: owner("force"),
  },
  {
    name: "failover approve",
    usage: "CLUSTER REQUEST|EPOCH --reason TEXT [--accept-loss]",
    summary: "Says yes to a request, or to a decision that waits for a person.",
    changes: true,
    help: `${REASON_HELP}\n  --accept-loss         more than the RPO may be lost`,
    options: { ...REASON, "accept-loss": { type: "boolean" } },
    positionals: TWO,
    run: answer("approve"),
  },
  {
    name: "failover refuse",
    usage: "CLUSTER REQUEST|EPOCH --reason TEXT",
    summary: "Says no to it.",
    changes: true,
    help: REASON_HELP,
    options: REASON,
    positionals: TWO,
    run: answer("refuse"),
  },
  {
    name: "failover vouch",
    usage: "CLUSTER EPOCH --reason TEXT",
    summary: "Vouches that the old owner's power is off, or its volume was taken away.",
    changes: true,
    help: REASON_HELP,
    options: REASON,
    positionals: TWO,
    run: answer("vouch"),
  },
  {
    name: "failover pause",
    usage: "CLUSTER --reason TEXT",
    summary: "Lets nothing be begun without a person.",
    // It only holds things back: it is at hand in a read-only context too.
    help: REASON_HELP,
    options: REASON,
    positionals: ONE,
    run: pause(true),
  },
  {
    name: "failover resume",
    usage: "CLUSTER --reason TEXT",
    summary: "Lets failovers begin again.",
    changes: true,
    help: REASON_HELP,
    options: REASON,
    positionals: ONE,
    run: pause(false),
  },
  {
    name: "failover requests",
    usage: "[CLUSTER]",
    summary: "What people asked of clusters, newest first.",
    help: "",
    options: {},
    positionals: { least: 0, most: 1 },
    run: requests,
  },
];
