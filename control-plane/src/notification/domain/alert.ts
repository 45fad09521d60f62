/** An alert as notification sees it, whoever raised it: a rule of ours, or a Prometheus that posted it. */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";

export interface NotifiedAlert {
  /** 16 hex digits, as Alertmanager names it. */
  readonly fingerprint: string;
  /** Without empty values; `alertname` among them as a rule. */
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: Instant;
  /** From then on it is resolved; undefined: it fires until it is said to have ended. */
  readonly endsAt: Instant | undefined;
  readonly updatedAt: Instant;
  /** Where it came from, for people; may be empty. */
  readonly generatorUrl: string;
}

export function isResolved(alert: NotifiedAlert, now: Instant): boolean {
  return alert.endsAt !== undefined && alert.endsAt <= now;
}

/** Alerts of several sources as one list: of two that are the same, the firing one, else the one that ended last. */
export function unite(
  sources: readonly (readonly NotifiedAlert[])[],
  now: Instant,
): readonly NotifiedAlert[] {
  const byFingerprint = new Map<string, NotifiedAlert>();
  for (const alert of sources.flat()) {
    const known = byFingerprint.get(alert.fingerprint);
    if (known === undefined || isNewer(alert, known, now)) byFingerprint.set(alert.fingerprint, alert);
  }
  return [...byFingerprint.values()];
}

function isNewer(alert: NotifiedAlert, than: NotifiedAlert, now: Instant): boolean {
  if (isResolved(alert, now) !== isResolved(than, now)) return isResolved(than, now);
  return (alert.endsAt ?? alert.updatedAt) > (than.endsAt ?? than.updatedAt);
}
