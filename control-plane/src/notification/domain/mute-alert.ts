/** Whether an alert is heard in a group now, and by what it is hidden: every silence, alert and window that does so. */
import type { Instant } from "../../kernel/time.js";
import type { NotifiedAlert } from "./alert.js";
import type { Route } from "./config.js";
import type { InhibitTest } from "./inhibit.js";
import type { SilenceTest } from "./silence.js";
import { holdsAt, type TimeInterval } from "./time-interval.js";

/** Hides an alert. */
export interface Muter {
  readonly kind: "silence" | "inhibition" | "window";
  /** A silence's id, an alert's fingerprint, a time interval's name. */
  readonly name: string;
}

export interface MutePorts {
  readonly silencedBy: SilenceTest;
  readonly inhibitedBy: InhibitTest;
}

/** What hides the alert itself, whatever its route. Empty: it is heard. */
export function mutersOf(alert: NotifiedAlert, { silencedBy, inhibitedBy }: MutePorts): readonly Muter[] {
  const inhibitors = new Set(inhibitedBy(alert).map(({ by }) => by));
  return [
    ...[...inhibitors].map((by): Muter => ({ kind: "inhibition", name: by })),
    ...silencedBy(alert.labels).map((id): Muter => ({ kind: "silence", name: id })),
  ];
}

/** The windows that keep a route quiet now: those it mutes in, and all it is active in when none of them holds. */
export function windowsOf(
  route: Route,
  intervals: ReadonlyMap<string, TimeInterval>,
  now: Instant,
): readonly Muter[] {
  const holds = (name: string): boolean => {
    const interval = intervals.get(name);
    return interval !== undefined && holdsAt(interval, now);
  };
  const muting = route.muteIn.filter(holds);
  const idle = route.activeIn.length > 0 && !route.activeIn.some(holds) ? route.activeIn : [];
  return [...muting, ...idle].map((name) => ({ kind: "window", name }));
}
