/** A decision as its records tell it: what was decided, on what, how long each step took and how it ended. */
import type { LogRecord } from "@mainstay/proto/failover/decision";
import type { Duration } from "../../kernel/time.js";
import type { DecisionAccount } from "./decision-account.js";
import type { PatroniRecord } from "./patroni/patroni-cluster.js";
import { accountPatroni, isPatroniLog } from "./patroni/tell-patroni.js";
import { tellRecord } from "./tell-record.js";

export type { DecisionAccount } from "./decision-account.js";

/** As it stands in the database: of a cluster that agents keep, or of one that Patroni does. */
export type AnyRecord = LogRecord | PatroniRecord;

/** `records` are those of one decision, in order. Undefined when its intention is not among them. */
export function accountDecision(all: readonly AnyRecord[]): DecisionAccount | undefined {
  if (isPatroniLog(all)) return accountPatroni(all);
  const records = all.filter((record): record is LogRecord => !isPatroniLog([record]));
  const of = <K extends LogRecord["kind"]>(kind: K): Extract<LogRecord, { kind: K }> | undefined =>
    records.find((record): record is Extract<LogRecord, { kind: K }> => record.kind === kind);
  const intended = of("intended");
  if (intended === undefined) return undefined;
  const chosen = of("chosen");
  const promoted = of("promoted");
  const closed = of("closed");
  const aborted = of("aborted");
  const approval = of("approved") ?? intended.approval;
  return {
    epoch: intended.epoch,
    kind: intended.decision,
    from: intended.from,
    candidate: chosen?.candidate,
    trigger: intended.trigger,
    outcome: closed?.outcome ?? (aborted === undefined ? "open" : "aborted"),
    startedAt: intended.at,
    endedAt: (closed ?? aborted)?.at,
    openAfter: promoted?.outcome === "open" ? promoted.at - intended.at : undefined,
    rto: measuredRto(intended, promoted),
    rpo: promoted?.outcome === "open" ? (chosen?.lossMs ?? undefined) : undefined,
    missingBytes: chosen?.lossEstimate ?? undefined,
    fencedBy: of("fenced")?.proof.how,
    approvedBy: approval?.by,
    steps: records.map((record) => ({ at: record.at, kind: record.kind, says: tellRecord(record) })),
  };
}

/** A planned switchover's owner is open until it is asked to stop. */
function measuredRto(
  intended: Extract<LogRecord, { kind: "intended" }>,
  promoted: Extract<LogRecord, { kind: "promoted" }> | undefined,
): Duration | undefined {
  if (promoted?.outcome !== "open") return undefined;
  const since = intended.decision === "switchover" ? intended.at : intended.openAt;
  return since === undefined || since === null ? undefined : Math.max(0, promoted.at - since);
}
