/** How long each component may be away and what was measured; what was decided about a cluster's owner, and why. */
import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  ExplainDecisionResponseSchema,
  type JudgedObjective,
  ListDecisionsResponseSchema,
  ListObjectivesResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import { formatDuration } from "#src/kernel/time";
import type { Command, Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { Failure } from "../failure.js";
import { printable, render, table } from "../output.js";

const duration = (ms: bigint | undefined, unitMs = 1): string =>
  ms === undefined ? "-" : formatDuration(Number(ms) * unitMs);
const instant = (at: Parameters<typeof timestampMs>[0] | undefined): string =>
  at === undefined ? "-" : new Date(timestampMs(at)).toISOString();
/** Failovers (f) and restores (r) that are shown of each. */
const HISTORY_SHOWN = 5;
const count = (value: bigint | undefined): string => (value === undefined ? "-" : String(value));

/** What would be lost now, and how old that is. */
function liveText(one: JudgedObjective): string {
  const loss =
    one.liveRpoMs === undefined ? one.liveRpoBytes && `${one.liveRpoBytes} B` : duration(one.liveRpoMs);
  if (loss === undefined) return "-";
  return `${loss} at ${instant(one.liveAt)}`;
}

function missingText(one: JudgedObjective): string {
  if (one.measuredAt === undefined) return duration(one.restoreRpoMs);
  return one.measuredRpoMs === undefined ? count(one.measuredMissingBytes) : duration(one.measuredRpoMs);
}

/** Up to when a backup could bring it back, and how long ago that was read. */
function restorableText(one: JudgedObjective): string {
  if (one.newestRestorableAt === undefined) return "-";
  return `${instant(one.newestRestorableAt)} (read ${instant(one.newestRestorableSeenAt)})`;
}

/** What was measured, newest first; a mark behind what missed its objective. */
const historyText = ({ history }: JudgedObjective): string =>
  history
    .slice(0, HISTORY_SHOWN)
    .map(({ kind, rtoMs, met }) => `${kind === "restore" ? "r" : "f"}:${duration(rtoMs)}${met ? "" : "!"}`)
    .join(" ") || "-";

async function objectives({ controlPlane, form, write }: Invocation): Promise<ExitCode> {
  const { recovery } = await controlPlane();
  const answer = await recovery.listObjectives({});
  write(
    render(form, toJson(ListObjectivesResponseSchema, answer), () =>
      table(
        [
          "COMPONENT",
          "RTO",
          "RPO",
          "VERDICT",
          "TOOK",
          "MISSING",
          "MEASURED",
          "TREND",
          "NOW",
          "RESTORABLE TO",
          "LAST",
          "WHY",
        ],
        answer.objectives.map((one) => [
          one.component,
          duration(one.rtoSeconds, 1_000),
          duration(one.rpoSeconds, 1_000),
          one.verdict,
          duration(one.measuredRtoMs ?? one.measuredOpenAfterMs ?? one.restoreRtoMs),
          missingText(one),
          instant(one.measuredAt ?? one.restoredAt),
          one.trend,
          liveText(one),
          restorableText(one),
          historyText(one),
          `${one.because}; ${one.liveBecause}`,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

async function list({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const { recovery } = await controlPlane();
  const answer = await recovery.listDecisions({ cluster: positionals[0] ?? "" });
  write(
    render(form, toJson(ListDecisionsResponseSchema, answer), () =>
      table(
        ["CLUSTER", "EPOCH", "KIND", "FROM", "TO", "OUTCOME", "STARTED", "OPEN AFTER", "WHY"],
        answer.decisions.map((one) => [
          one.cluster,
          String(one.epoch),
          one.kind,
          one.from,
          one.candidate || "-",
          one.outcome,
          instant(one.startedAt),
          duration(one.openAfterMs),
          one.trigger,
        ]),
      ),
    ),
  );
  return EXIT.ok;
}

async function explain({ controlPlane, positionals, form, write }: Invocation): Promise<ExitCode> {
  const [cluster = "", epoch = ""] = positionals;
  if (!/^\d{1,15}$/.test(epoch)) throw new Failure(`the epoch is "${epoch}", expected a whole number`);
  const { recovery } = await controlPlane();
  const answer = await recovery.explainDecision({ cluster, epoch: BigInt(epoch) });
  write(
    render(form, toJson(ExplainDecisionResponseSchema, answer), () => {
      const { decision, steps, faults } = answer;
      const startedAt = decision?.startedAt === undefined ? 0 : timestampMs(decision.startedAt);
      const head = printable(
        `${decision?.kind} of ${cluster} in epoch ${epoch}: ${decision?.from} to ${decision?.candidate || "nobody yet"}, ${decision?.outcome}`,
      );
      const rows = steps.map((step) => [
        step.at === undefined ? "-" : `+${timestampMs(step.at) - startedAt} ms`,
        step.kind,
        step.says,
      ]);
      const verdict =
        faults.length === 0 ? "The log holds." : printable(`The log does not hold: ${faults.join("; ")}`);
      const took =
        decision?.rtoMs === undefined
          ? ""
          : `Open again ${decision.rtoMs} ms after the owner was last heard open; missing: ${decision.missingBytes ?? "unknown"} bytes, at most ${duration(decision.rpoMs)}.\n`;
      return `${head}, ${instant(decision?.startedAt)}\n${table(["AFTER", "STEP", "WHAT"], rows)}\n${took}${verdict}`;
    }),
  );
  return EXIT.ok;
}

const NONE = { options: {}, help: "" } as const;

export const recoveryCommands: readonly Command[] = [
  {
    name: "dr objectives",
    usage: "",
    summary: "How long each component may be away, and what was measured.",
    ...NONE,
    positionals: { least: 0, most: 0 },
    run: objectives,
  },
  {
    name: "failover list",
    usage: "[CLUSTER]",
    summary: "Failovers and switchovers, newest first.",
    ...NONE,
    positionals: { least: 0, most: 1 },
    run: list,
  },
  {
    name: "failover explain",
    usage: "CLUSTER EPOCH",
    summary: "One decision step by step, with its reasons, and whether its log holds.",
    ...NONE,
    positionals: { least: 2, most: 2 },
    run: explain,
  },
];
