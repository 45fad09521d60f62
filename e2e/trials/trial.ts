/** One fault on a living cluster while clients in every failure domain write, and what it came to. */
import { monotonic, type PartedCluster } from "../harness/parted-cluster.js";
import { pause, until } from "../harness/until.js";
import type { Fault } from "./faults.js";

/** A fault comes at any moment of whatever goes on by itself. */
const PHASE_MS = 1_500;
/** So long the fault stays after others write: who should have stopped by then would be seen to write. */
const AFTER_MS = 2_500;
const PATIENCE_MS = 120_000;

export interface TrialResult {
  readonly fault: string;
  readonly mode: string;
  readonly leaseMs: number;
  readonly rpoBytes: number;
  readonly before: string;
  readonly after: string;
  readonly acknowledged: number;
  /** From the fault until another node acknowledged, as clients saw it; absent when none took over. */
  readonly rtoMs?: number;
  /** The longest time in which no client anywhere was told anything. */
  readonly gapMs: number;
  /** Rows that two nodes acknowledged at one time. Must be 0. */
  readonly dual: number;
  readonly lost: number;
  readonly lostBytes: number;
  /** From the end of the fault until everyone was relied on again. */
  readonly redundantMs: number;
  readonly decisions: readonly string[];
  /** What is not as it must be; none when the trial passed. */
  readonly faults: readonly string[];
}

/** `draw` gives numbers from 0 to below 1. Throws when the cluster did not come to rest in time. */
export async function runTrial(
  cluster: PartedCluster,
  fault: Fault,
  draw: () => number,
): Promise<TrialResult> {
  await cluster.forget();
  const { primary: before, epoch } = await cluster.now();
  await pause(draw() * PHASE_MS);
  const faultAt = monotonic();
  const end = await fault.bring(cluster, before, draw);
  const { leaseMs, mode, rpoBytes = 0 } = cluster.options;
  if (fault.wanted === "other") {
    await until(
      `another than ${before} to acknowledge`,
      () => cluster.heard().some(({ member }) => member !== before) || undefined,
      PATIENCE_MS,
    );
  } else await pause(leaseMs * 2);
  await pause(AFTER_MS);
  end();
  const endedAt = monotonic();
  const { primary: after, since, judged, decisions } = await cluster.judge(epoch);
  const redundantMs = since - endedAt;
  const first = judged.reigns.find(({ member }) => member !== before)?.firstAt;
  const allowed = mode === "synchronous" ? 0 : rpoBytes;
  const faults = [
    ...(judged.dual.length === 0 ? [] : [`${judged.dual.length} rows by two nodes at one time`]),
    ...(judged.lostBytes <= allowed && (allowed > 0 || judged.lost.length === 0)
      ? []
      : [`${judged.lost.length} rows lost, ${judged.lostBytes} bytes of ${allowed} allowed`]),
    ...(fault.wanted === "same" && first !== undefined ? ["another took over"] : []),
    ...decisions.flatMap((decision) => decision.faults.map((one) => `decision ${decision.epoch}: ${one}`)),
  ];
  return {
    fault: fault.name,
    mode,
    leaseMs,
    rpoBytes,
    before,
    after,
    acknowledged: judged.acknowledged,
    ...(first === undefined ? {} : { rtoMs: Math.round(first - faultAt) }),
    gapMs: Math.round(judged.longestGapMs),
    dual: judged.dual.length,
    lost: judged.lost.length,
    lostBytes: judged.lostBytes,
    redundantMs: Math.round(redundantMs),
    decisions: decisions.map(({ kind, outcome, fencedBy, rtoMs }) =>
      [kind, outcome, fencedBy, rtoMs === undefined ? "" : `${rtoMs} ms`].filter(Boolean).join(" "),
    ),
    faults,
  };
}
