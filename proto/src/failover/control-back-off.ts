/**
 * How long the control plane rests before it decides anew about a loss that its last decisions did not end. Whatever made a
 * promotion fail makes the next one fail as fast, and each decision burns an epoch. A person's wish is not held by it.
 */
import type { ClusterState } from "./decision.js";
import type { Duration, Instant } from "./words.js";

/** After the second fruitless decision; the first may have been bad luck, and another candidate may be well. */
const REST_MS: Duration = 1_000;
/** What made them fail may have been mended by a person meanwhile, who should not wait long. */
const REST_MS_MAX: Duration = 10_000;
/** So many, and a person should know. */
const TELL_FROM = 3;

export type Rest =
  | { readonly kind: "none" }
  /** `page`: the same sentence for one number of decisions; null while a person need not know. */
  | {
      readonly kind: "wait";
      readonly leftMs: Duration;
      readonly because: string;
      readonly page: string | null;
    };

/** Nothing after the first, a second after the next, then twice as long each time, at most ten seconds. */
export const restAfter = (count: number): Duration =>
  count < 2 ? 0 : Math.min(REST_MS_MAX, REST_MS * 2 ** Math.min(count - 2, 10));

export function restOf({ fruitless }: ClusterState, now: Instant): Rest {
  if (fruitless === undefined) return { kind: "none" };
  const { count, endedAt } = fruitless;
  const leftMs = endedAt + restAfter(count) - now;
  // A control plane that was started again may have an earlier clock: then there is nothing to count from.
  if (leftMs <= 0 || now < endedAt) return { kind: "none" };
  const page =
    count < TELL_FROM
      ? null
      : `${count} decisions in a row ended without an open owner; the next begins ${restAfter(count)} ms after the last`;
  const because = `${count} decisions in a row ended without an open owner: the next begins in ${Math.ceil(leftMs)} ms`;
  return { kind: "wait", leftMs, because, page };
}
