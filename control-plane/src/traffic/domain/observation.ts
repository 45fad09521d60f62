/** Where traffic goes, as whoever sends it says. */
import type { Duration } from "../../kernel/time.js";

export interface TrafficObservation {
  /** Names of destinations; of what is not declared, what stands there. One when it is steered, none when nowhere. */
  readonly goesTo: readonly string[];
  /** The last epoch that was written beside it; undefined when nothing was. */
  readonly epoch: number | undefined;
  /** An epoch can be written there. Where not, only the control plane's own account keeps a late order away. */
  readonly keepsEpoch: boolean;
  /** How long clients may keep what they were told; 0 where they are told nothing. */
  readonly hold: Duration;
  /** Connections to other destinations that are still open; undefined where nobody knows. */
  readonly elsewhere: number | undefined;
  /** What that rests on, for people. */
  readonly because: string;
}

/** The text that DNS keeps beside a name; nothing in it is secret. */
export interface EpochNote {
  readonly epoch: number;
  readonly to: string;
}

export const formatNote = ({ epoch, to }: EpochNote): string => `mainstay epoch=${epoch} to=${to}`;

const NOTE = /^mainstay epoch=(\d{1,15}) to=(\S{1,200})$/;

/** Undefined for what is not ours. */
export function parseNote(text: string): EpochNote | undefined {
  const [, epoch, to] = NOTE.exec(text) ?? [];
  return epoch === undefined || to === undefined ? undefined : { epoch: Number(epoch), to };
}
