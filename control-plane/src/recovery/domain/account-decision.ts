/** A decision as its records tell it: what was decided, on what, how long each step took and how it ended. */
import type { DecisionKind, LogRecord } from "@mainstay/proto/failover/decision";
import type { Duration, Instant } from "../../kernel/time.js";
import { tellRecord } from "./tell-record.js";

export interface DecisionAccount {
  readonly epoch: number;
  readonly kind: DecisionKind;
  readonly from: string;
  /** Who was promoted, or is to be; undefined before that was chosen. */
  readonly candidate: string | undefined;
  readonly trigger: string;
  /** `open`, `done`, `interrupted`, `lost-again` or `aborted`. */
  readonly outcome: string;
  readonly startedAt: Instant;
  readonly endedAt: Instant | undefined;
  /** From the intention until the new owner was open for writes: what is compared with the RTO, without detection. */
  readonly openAfter: Duration | undefined;
  /** From when the old owner was last heard open until the new one was: with detection. Undefined where that was not seen. */
  readonly rto: Duration | undefined;
  /** What is missing as time, at most. */
  readonly rpo: Duration | undefined;
  /** Bytes of the write-ahead log that the candidate lacked by what was last heard of the owner. */
  readonly missingBytes: number | undefined;
  readonly fencedBy: string | undefined;
  readonly approvedBy: string | undefined;
  readonly steps: readonly { readonly at: Instant; readonly kind: string; readonly says: string }[];
}

/** `records` are those of one decision, in order. Undefined when its intention is not among them. */
export function accountDecision(records: readonly LogRecord[]): DecisionAccount | undefined {
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
