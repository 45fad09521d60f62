/** What a record of a decision log says, as a sentence for a person. */
import type { ChoiceProof, FenceProof, LogRecord } from "@mainstay/proto/failover/decision";
import { formatDuration } from "../../kernel/time.js";

/** One sentence, without its time. */
export function tellRecord(record: LogRecord): string {
  switch (record.kind) {
    case "intended": {
      const to = record.to === null ? "" : ` to ${record.to}`;
      return `${record.decision} of ${record.from}${to} intended: ${record.trigger}`;
    }
    case "approval-asked":
      return `approval asked: ${record.because}`;
    case "approved":
      return `approved by ${record.by}${record.acceptLoss ? ", loss accepted" : ""}: ${record.reason}`;
    case "holding":
      return `the poolers of ${record.poolers.join(", ")} are to hold their clients back`;
    case "stepping-down": {
      const held = record.held?.length ? `${record.held.join(", ")} hold their clients; ` : "";
      return `${held}the owner is asked to stop when its replicas have everything`;
    }
    case "promising":
      return `epoch ${record.epoch} promised; every voter is asked to promise it`;
    case "chosen": {
      const loss = record.lossEstimate === null ? "unknown" : `${record.lossEstimate} bytes`;
      return `${record.candidate} chosen at ${record.lsn}, ${tellChoice(record.proof)}; missing by estimate: ${loss}`;
    }
    case "stonith":
      return `${record.by} vouches that the old owner is off`;
    case "fenced":
      return `fenced: ${tellFence(record.proof)}`;
    case "promoting":
      return `${record.candidate} is ordered to promote in ${record.epoch}; from here on only forward`;
    case "promoted":
      return record.outcome === "open"
        ? `open for writes at ${record.lsn}`
        : `the promotion was interrupted at ${record.lsn}`;
    case "verified":
      return "a probe was written and read, and a checkpoint made";
    case "routed": {
      const missing = record.missing?.length ? `, except the clients of ${record.missing.join(", ")}` : "";
      return `traffic goes to the new owner${missing}`;
    }
    case "closed":
      return `closed (${record.outcome}) after ${formatDuration(Math.round(record.tookMs))}`;
    case "aborted":
      return `aborted: ${record.because}`;
    case "proposed":
      return `to be relied on next: ${record.holders.members.join(", ") || "nobody"}`;
    case "eligible":
      return `relied on: ${record.holders.members.join(", ") || "nobody"}`;
    case "checkpointed":
      return `a checkpoint was made in ${record.epoch}`;
    case "clients-go-on":
      return `the clients that were held in ${record.epoch} go on at ${record.to}`;
    case "hold-down-over":
      return `failover without approval again: ${record.because}`;
    case "paused":
      return `paused by ${record.by}`;
    case "resumed":
      return `resumed by ${record.by}`;
  }
}

function tellChoice(proof: ChoiceProof): string {
  switch (proof.how) {
    case "holders":
      return `with the most of ${proof.asked} holders (${proof.needed} know all that counts)`;
    case "owner":
      return "which has all it ever acknowledged";
    case "complete":
      return `which has all that the old owner had (${proof.ownerLsn})`;
    case "accepted-loss":
      return `as ${proof.by} accepted the loss`;
  }
}

function tellFence(proof: FenceProof): string {
  switch (proof.how) {
    case "ack":
      return "the old owner says that it is closed";
    case "sync-detached":
      return `${proof.detached} of ${proof.needed} holders it would need have left it`;
    case "lease-expired":
      return `every lease has run out with ${proof.promised} of ${proof.needed} voters needed`;
    case "stonith":
      return `${proof.by} vouches for it`;
  }
}
