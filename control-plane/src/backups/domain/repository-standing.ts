/** A repository of backups as its node's series tell of it, beside what drills have made of it. */
import type { Labels } from "../../kernel/labels.js";
import { type Duration, formatDuration, type Instant, SECOND } from "../../kernel/time.js";
import { parseInstant } from "../../kernel/window.js";
import type { DrillRun } from "../../recovery/domain/drill-run.js";
import type { NewestRestorable } from "../../recovery/domain/judge-restores.js";

/** A sample of a series whose name is among {@link NAMES}. */
export interface ToldSample {
  readonly labels: Labels;
  readonly timestamp: Instant;
  readonly value: number;
}

const PREFIX = "mainstay_backup_";
/** All series of repositories, by a pattern of PromQL. */
export const SERIES = `{__name__=~"${PREFIX}(repository_up|backups|newest_restorable_timestamp_seconds|last_completed_timestamp_seconds)"}`;

export interface RepositoryStanding {
  readonly node: string;
  readonly repository: string;
  readonly component: string;
  readonly readable: boolean;
  readonly backups: number;
  readonly newest: { readonly at: Instant; readonly evidence: string } | undefined;
  readonly seenAt: Instant;
  readonly lastCompleted: readonly { readonly type: string; readonly at: Instant }[];
}

/** In seconds, some three thousand years. */
const VALUE_MAX = 1e11;

/** By component, node and name. Series without these labels are nobody's. */
export function standRepositories(samples: readonly ToldSample[]): readonly RepositoryStanding[] {
  const byKey = new Map<string, { -readonly [K in keyof RepositoryStanding]: RepositoryStanding[K] }>();
  for (const { labels, timestamp, value } of samples) {
    const { __name__: name = "", node, repository, component, evidence = "", type = "" } = labels;
    if (node === undefined || repository === undefined || component === undefined) continue;
    // A host may tell anything: what is no moment is none.
    if (!(value >= 0 && value < VALUE_MAX)) continue;
    const key = JSON.stringify([component, node, repository]);
    const standing = byKey.get(key) ?? {
      node,
      repository,
      component,
      readable: false,
      backups: 0,
      newest: undefined,
      seenAt: timestamp,
      lastCompleted: [],
    };
    byKey.set(key, standing);
    standing.seenAt = Math.max(standing.seenAt, timestamp);
    const at = value * SECOND;
    switch (name.slice(PREFIX.length)) {
      case "repository_up":
        standing.readable = value === 1;
        break;
      case "backups":
        standing.backups = value;
        break;
      case "newest_restorable_timestamp_seconds":
        // Evidence changes; the series of the one before is told for a while.
        if (standing.newest === undefined || standing.newest.at < at) standing.newest = { at, evidence };
        break;
      case "last_completed_timestamp_seconds":
        standing.lastCompleted = [...standing.lastCompleted, { type, at }];
        break;
    }
  }
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, standing]) => standing);
}

/** The newest moment that any repository of a component could bring back. */
export function newestRestorable(
  repositories: readonly RepositoryStanding[],
  component: string,
): NewestRestorable | undefined {
  let best: NewestRestorable | undefined;
  for (const { component: of, newest, seenAt, node, repository } of repositories) {
    if (of !== component || newest === undefined || (best !== undefined && best.at >= newest.at)) continue;
    best = {
      at: newest.at,
      seenAt,
      because: `${EVIDENCE[newest.evidence] ?? newest.evidence}, repository ${repository} on ${node}`,
    };
  }
  return best;
}

const EVIDENCE: Readonly<Record<string, string>> = {
  backup: "the end of the last backup, for no log behind it is there",
  "archived-log": "the last segment of the log that is archived without a hole before it",
  "received-log": "what was received of the log",
};

export interface Proof {
  readonly kind: "proven" | "disproven" | "unproven";
  readonly because: string;
  readonly at: Instant | undefined;
}

/** A backup is called good only once a drill has restored it: `runs` are of restores, newest first. */
export function proofOf(
  { repository, lastCompleted }: RepositoryStanding,
  runs: readonly DrillRun[],
  now: Instant,
): Proof {
  const own = runs.filter(
    ({ state, report }) => state !== "open" && state !== "aborted" && report?.repository === repository,
  );
  const [last] = own;
  if (last === undefined)
    return { kind: "unproven", because: "no drill has restored out of it", at: undefined };
  const whole = own.find(({ report }) => report?.because === undefined);
  if (last !== whole) {
    const because = `the last drill failed: ${last.report?.failedAt ?? "at its end"}: ${last.report?.because ?? last.because}`;
    return { kind: "disproven", because, at: whole?.begunAt };
  }
  const newest = Math.max(0, ...lastCompleted.map(({ at }) => at));
  const since =
    newest > last.begunAt ? `; ${ago(newest, now)} another backup was completed, which was not tried` : "";
  return {
    kind: "proven",
    because: `backup ${last.report?.backup} was restored ${ago(last.begunAt, now)}${since}`,
    at: last.begunAt,
  };
}

/**
 * A moment of the past that a restore can be to, by chance: after the last backup, and before the newest row that a restore
 * has shown to be in the archive, for PostgreSQL refuses a moment after which it finds nothing. Undefined when nothing tells.
 */
export function momentBetween(
  standing: RepositoryStanding | undefined,
  runs: readonly DrillRun[],
  fraction: number,
): Instant | undefined {
  const shown = runs.find(
    ({ report }) => report?.repository === standing?.repository && report?.because === undefined,
  );
  const until = parseInstant(shown?.report?.newestAt ?? "");
  const from = Math.max(0, ...(standing?.lastCompleted ?? []).map(({ at }) => at));
  if (from === 0 || until === undefined || until <= from) return undefined;
  return Math.floor(from + fraction * (until - from));
}

const ago = (at: Instant, now: Instant): string =>
  `${formatDuration(Math.max(0, Math.round((now - at) / SECOND) * SECOND))} ago`;

/** How much of an RPO is used up; undefined when none is stated or nothing can be restored. */
export function usedRpo(
  { newest }: RepositoryStanding,
  rpo: Duration | undefined,
  now: Instant,
): number | undefined {
  if (rpo === undefined || rpo === 0 || newest === undefined) return undefined;
  return Math.max(0, now - newest.at) / rpo;
}
