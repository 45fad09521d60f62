/** From changes of state to times of firing: when it fired, and when it ceased to. */
import { type Labels, labelsKey } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";

export interface Firing {
  readonly labels: Labels;
  readonly firedAt: Instant;
  /** Undefined: it still fires. */
  readonly resolvedAt: Instant | undefined;
  readonly value: number;
}

export interface StateChange {
  readonly at: Instant;
  readonly labels: Labels;
  readonly to: "pending" | "firing" | "resolved" | "inactive";
  readonly value: number;
}

/** Most firings that are told of one rule. */
export const FIRINGS_MAX = 1_000;

/** The firings in `changes`, which stand in order of time; one whose beginning is not among them is left out. */
export function firingsOf(changes: readonly StateChange[]): readonly Firing[] {
  const firings: Firing[] = [];
  const open = new Map<string, number>();
  for (const { at, labels, to, value } of changes) {
    const key = labelsKey(labels);
    if (to === "firing") {
      if (firings.length >= FIRINGS_MAX) continue;
      open.set(key, firings.length);
      firings.push({ labels, firedAt: at, resolvedAt: undefined, value });
    } else if (to === "resolved" || to === "inactive") {
      const index = open.get(key);
      const begun = index === undefined ? undefined : firings[index];
      if (index !== undefined && begun !== undefined) firings[index] = { ...begun, resolvedAt: at };
      open.delete(key);
    }
  }
  return firings;
}
