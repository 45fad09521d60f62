/** Silences: who asked that alerts of some labels be kept quiet, from when to when, and why. */
import type { Labels } from "../../kernel/labels.js";
import { DAY, type Duration, type Instant, SECOND } from "../../kernel/time.js";
import { compileMatchers, type LabelMatcher, matcherFault } from "./matcher.js";

export interface Silence {
  readonly id: string;
  /** All must hold. */
  readonly matchers: readonly LabelMatcher[];
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  readonly updatedAt: Instant;
  readonly createdBy: string;
  readonly comment: string;
}

export type SilenceState = "pending" | "active" | "expired";

export function silenceState(silence: Pick<Silence, "startsAt" | "endsAt">, now: Instant): SilenceState {
  if (now < silence.startsAt) return "pending";
  return now < silence.endsAt ? "active" : "expired";
}

/** What someone asks for. Without an id, or with one whose matchers or start differ, a new silence is made. */
export interface SilenceRequest {
  readonly id: string | undefined;
  readonly matchers: readonly LabelMatcher[];
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  readonly createdBy: string;
  readonly comment: string;
}

const MATCHERS_MAX = 50;
const TEXT_MAX = 4_096;
/** Longer than any maintenance: what shall be quiet for ever belongs in the routes. */
export const SILENCE_LONGEST: Duration = 5 * 365 * DAY;

export type SilenceVerdict =
  | { readonly kind: "invalid"; readonly because: string }
  /** The id exists no more, or never did. */
  | { readonly kind: "unknown"; readonly because: string }
  | { readonly kind: "changed"; readonly silence: Silence; readonly because: string }
  | {
      readonly kind: "created";
      readonly silence: Silence;
      /** The silence that it takes the place of, which ends now. */
      readonly replaces: Silence | undefined;
      readonly because: string;
    };

/**
 * What becomes of a request. As in Alertmanager: an active silence may end at another time and have another comment,
 * a pending one may start at another time too; whatever else changes makes a new silence and ends the old one.
 */
export function decideSilence(
  request: SilenceRequest,
  known: Silence | undefined,
  freshId: string,
  now: Instant,
): SilenceVerdict {
  const fault = requestFault(request, now);
  if (fault !== undefined) return { kind: "invalid", because: fault };
  if (request.id !== undefined && known === undefined)
    return { kind: "unknown", because: `silence ${request.id}: there is none of this id` };
  const startsAt = Math.max(request.startsAt, now);
  const fresh: Silence = { ...request, id: freshId, startsAt, updatedAt: now };
  if (known === undefined) return { kind: "created", silence: fresh, replaces: undefined, because: "new" };
  const state = silenceState(known, now);
  const same = canonical(known.matchers) === canonical(request.matchers);
  if (same && state === "active" && wholeSecond(request.startsAt) === wholeSecond(known.startsAt)) {
    const silence = { ...fresh, id: known.id, startsAt: known.startsAt };
    return { kind: "changed", silence, because: "its end or its words changed" };
  }
  if (same && state === "pending") {
    return { kind: "changed", silence: { ...fresh, id: known.id }, because: "it had not begun" };
  }
  const replaces = state === "expired" ? undefined : known;
  const because = same ? "its start changed, or it had ended" : "its matchers changed";
  return { kind: "created", silence: fresh, replaces, because };
}

/** Clients send back times cut to the second. */
const wholeSecond = (at: Instant): Instant => Math.floor(at / SECOND);

const canonical = (matchers: readonly LabelMatcher[]): string =>
  JSON.stringify(matchers.map(({ name, op, value }) => [name, op, value]).sort());

function requestFault(request: SilenceRequest, now: Instant): string | undefined {
  const { matchers, startsAt, endsAt } = request;
  if (matchers.length === 0) return "invalid silence: at least one matcher required";
  if (matchers.length > MATCHERS_MAX)
    return `invalid silence: ${matchers.length} matchers, at most ${MATCHERS_MAX}`;
  for (const [index, matcher] of matchers.entries()) {
    const fault = matcherFault(matcher);
    if (fault !== undefined) return `invalid silence: invalid label matcher ${index}: ${fault}`;
  }
  // One that matches every alert is a mistake far more often than a wish.
  const matchAll = compileMatchers(matchers);
  if (matchAll({})) return "invalid silence: at least one matcher must not match the empty string";
  if (!Number.isFinite(startsAt)) return "invalid silence: invalid zero start timestamp";
  if (!Number.isFinite(endsAt)) return "invalid silence: invalid zero end timestamp";
  if (endsAt <= startsAt) return "invalid silence: end time must not be before start time";
  if (endsAt <= now) return "invalid silence: end time can't be in the past";
  if (endsAt - startsAt > SILENCE_LONGEST) return "invalid silence: it lasts longer than five years";
  if (request.createdBy.trim() === "") return "invalid silence: createdBy is missing";
  if (request.createdBy.length > TEXT_MAX) return `invalid silence: createdBy is longer than ${TEXT_MAX}`;
  if (request.comment.length > TEXT_MAX) return `invalid silence: comment is longer than ${TEXT_MAX}`;
  return undefined;
}

/** Silences made ready to be asked for many alerts. */
export type SilenceTest = (labels: Labels) => readonly string[];

/** The ids of the silences that hide an alert at `now`. */
export function compileSilences(silences: readonly Silence[], now: Instant): SilenceTest {
  const active = silences
    .filter((silence) => silenceState(silence, now) === "active")
    .map((silence) => ({ id: silence.id, matches: compileMatchers(silence.matchers) }));
  return (labels) => active.filter(({ matches }) => matches(labels)).map(({ id }) => id);
}
