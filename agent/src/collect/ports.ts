/** What collecting needs from outside besides files: given by the one that starts it, so that a test can turn the clock. */

/** Clock and timer. */
export interface CollectClock {
  /** Ms since the epoch. */
  now(): number;
  /** Ms from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls `work` once, `delayMs` from now at the earliest. Answers with what cancels it. */
  after(delayMs: number, work: () => void): () => void;
}

/** Runs a program without a shell and answers with what it said; output is bounded by the one who gives this port. */
export type RunProgram = (
  argv: readonly string[],
  timeoutMs: number,
) => Promise<{ readonly exitCode: number; readonly stdout: string }>;

/** Says something about collecting: a fixed sentence and its facts. */
export type Say = (
  level: "info" | "warn",
  sentence: string,
  facts: Readonly<Record<string, string | number | boolean>>,
) => void;
