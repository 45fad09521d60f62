/** What a record of an adopted cluster says, as a sentence for a person; and a decision as its records tell it. */
import { formatDuration } from "../../../kernel/time.js";
import type { DecisionAccount } from "../decision-account.js";
import type { PatroniRecord, RecordOf } from "./patroni-cluster.js";

/** One sentence, without its time. */
export function tellPatroni(record: PatroniRecord): string {
  switch (record.kind) {
    case "patroni-adopted":
      return `${record.by} adopted it as it is: ${record.leader} leads timeline ${record.timeline}, members ${record.members.join(", ")}, Patroni ${record.version || "of unknown version"} keeps the lease`;
    case "patroni-intended": {
      const to = record.to === null ? "" : ` to ${record.to}`;
      const approved = record.approvedBy === null ? "" : `, approved by ${record.approvedBy}`;
      return `${record.decision} of ${record.from}${to} ${record.byPatroni ? "seen" : "intended"}: ${record.trigger}${approved}`;
    }
    case "patroni-approval-asked":
      return `approval asked: ${record.because}`;
    case "patroni-approved":
      return `approved by ${record.by}${record.acceptLoss ? ", loss accepted" : ""}: ${record.reason}`;
    case "patroni-asked":
      return `Patroni is asked to promote ${record.to}: ${record.because}`;
    case "patroni-answered":
      return `Patroni answered ${record.status}: ${record.says}`;
    case "patroni-promoted": {
      const away =
        record.away === null
          ? ""
          : `; nobody was open for at most ${formatDuration(Math.round(record.away))}`;
      return `${record.leader} is open on timeline ${record.timeline}${away}; ${record.evidence}`;
    }
    case "patroni-closed": {
      const missing =
        record.missingBytes === null
          ? "what is missing is not known"
          : `${record.missingBytes} bytes missing by what was last seen`;
      return `closed (${record.outcome}): ${missing}; ${record.evidence}`;
    }
    case "patroni-aborted":
      return `aborted: ${record.because}`;
    case "patroni-hold":
      return record.hold
        ? `held by ${record.by}: ${record.reason}`
        : `let go by ${record.by}: ${record.reason}`;
    case "patroni-unpaused":
      return "Patroni is in maintenance mode no more";
    case "patroni-pausing":
      return `Patroni is ${record.pause ? "put into" : "taken out of"} maintenance mode: ${record.because}`;
  }
}

/** `records` are those of one decision, in order. Undefined when its intention is not among them. */
export function accountPatroni(records: readonly PatroniRecord[]): DecisionAccount | undefined {
  const of = <K extends PatroniRecord["kind"]>(kind: K): RecordOf<K> | undefined =>
    records.find((record): record is RecordOf<K> => record.kind === kind);
  const intended = of("patroni-intended");
  if (intended === undefined) return undefined;
  const promoted = of("patroni-promoted");
  const closed = of("patroni-closed");
  const aborted = of("patroni-aborted");
  const reopened = closed?.outcome === "reopened";
  const outcome = closed === undefined ? (aborted === undefined ? "open" : "aborted") : "done";
  return {
    epoch: intended.epoch,
    kind: reopened ? "reopen" : intended.decision,
    from: intended.from,
    candidate: promoted?.leader ?? of("patroni-asked")?.to,
    trigger: intended.trigger,
    outcome,
    startedAt: intended.at,
    endedAt: (closed ?? aborted)?.at,
    // What nobody watched was not measured: a decision that is read from the history took no time here.
    openAfter:
      promoted === undefined || promoted.away === null ? undefined : Math.max(0, promoted.at - intended.at),
    rto: promoted?.away ?? undefined,
    rpo: closed?.missingBytes === 0 ? 0 : undefined,
    missingBytes: closed?.missingBytes ?? undefined,
    fencedBy: promoted === undefined || reopened ? undefined : "patroni",
    approvedBy: of("patroni-approved")?.by ?? intended.approvedBy ?? undefined,
    steps: records.map((record) => ({ at: record.at, kind: stepName(record), says: tellPatroni(record) })),
  };
}

/** Its own prefix tells nothing to whoever reads a decision. */
const stepName = ({ kind }: PatroniRecord): string => kind.slice("patroni-".length);

/** Whether records are an adopted cluster's. */
export const isPatroniLog = (
  records: readonly { readonly kind: string }[],
): records is readonly PatroniRecord[] => records[0]?.kind.startsWith("patroni-") === true;
