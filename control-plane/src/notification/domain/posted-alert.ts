/** Alerts that others post: what is refused, when they end, and how a new post changes what is known. */

import type { Labels } from "../../kernel/labels.js";
import type { Duration, Instant } from "../../kernel/time.js";
import { isUsableLabelName } from "../../promql/quote.js";
import type { NotifiedAlert } from "./alert.js";
import { fingerprintOf } from "./fingerprint.js";

export interface PostedAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  /** Absent: now, or `endsAt` when that is given. */
  readonly startsAt: Instant | undefined;
  /** Absent: now and the file's `resolve_timeout`, and later when it is posted again. */
  readonly endsAt: Instant | undefined;
  readonly generatorUrl: string;
}

export interface KeptAlert extends NotifiedAlert {
  readonly endsAt: Instant;
  /** The end is of our making. */
  readonly timesOut: boolean;
}

const LABELS_MAX = 200;
const NAME_MAX = 1_024;
const VALUE_MAX = 16 * 1024;
const URL_MAX = 8 * 1024;

export type PostVerdict =
  | { readonly kind: "kept"; readonly alert: KeptAlert }
  | { readonly kind: "refused"; readonly because: string };

/** One alert as it comes in. Empty values are the same as absent. */
export function acceptPosted(post: PostedAlert, resolveTimeout: Duration, now: Instant): PostVerdict {
  const labels = withoutEmpty(post.labels);
  const fault = labelsFault(labels, "label") ?? labelsFault(post.annotations, "annotation");
  if (fault !== undefined) return { kind: "refused", because: fault };
  if (Object.keys(labels).length === 0)
    return { kind: "refused", because: "at least one label pair required" };
  if (post.generatorUrl.length > URL_MAX)
    return { kind: "refused", because: `generatorURL is longer than ${URL_MAX} characters` };
  const startsAt = post.startsAt ?? Math.min(post.endsAt ?? now, now);
  const endsAt = post.endsAt ?? now + resolveTimeout;
  if (endsAt < startsAt) return { kind: "refused", because: "start time must be before end time" };
  return {
    kind: "kept",
    alert: {
      fingerprint: fingerprintOf(labels),
      labels,
      annotations: post.annotations,
      startsAt,
      endsAt,
      timesOut: post.endsAt === undefined,
      updatedAt: now,
      generatorUrl: post.generatorUrl,
    },
  };
}

/** What is known from now on of an alert that was known and is posted again. `fresh` is the younger. */
export function mergePosted(known: KeptAlert, fresh: KeptAlert, now: Instant): KeptAlert {
  const apart = fresh.startsAt > known.endsAt || fresh.endsAt < known.startsAt;
  // Another firing, after the first had ended.
  if (apart || (known.endsAt <= now && fresh.endsAt > now && fresh.startsAt >= known.endsAt)) return fresh;
  const startsAt = Math.min(known.startsAt, fresh.startsAt);
  const later = known.endsAt > fresh.endsAt;
  const over = fresh.endsAt <= now;
  // Both over: the later end. It fires: an end that someone named outlasts one of our making.
  const keepsEnd = later && (over ? known.endsAt <= now : !known.timesOut);
  return { ...fresh, startsAt, endsAt: keepsEnd ? known.endsAt : fresh.endsAt };
}

function withoutEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}

function labelsFault(labels: Labels, what: string): string | undefined {
  const entries = Object.entries(labels);
  if (entries.length > LABELS_MAX) return `${entries.length} ${what}s, at most ${LABELS_MAX}`;
  for (const [name, value] of entries) {
    if (!isUsableLabelName(name)) return `invalid ${what} name: ${JSON.stringify(name.slice(0, 100))}`;
    if (name.length > NAME_MAX) return `a ${what} name is longer than ${NAME_MAX} characters`;
    if (value.length > VALUE_MAX) return `${what} ${name} is longer than ${VALUE_MAX} characters`;
    if (!value.isWellFormed() || value.includes("\0")) return `${what} ${name} is not valid UTF-8`;
  }
  return undefined;
}
