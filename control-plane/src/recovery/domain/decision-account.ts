/** A decision as it is told, whoever kept the cluster's lease. */
import type { DecisionKind } from "@mainstay/proto/failover/decision";
import type { Duration, Instant } from "../../kernel/time.js";

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
