/** A Patroni cluster as its members tell it over REST. What they say is a host's word: bounded, and taken as text only. */
import { z } from "zod";
import { cleanText } from "../../../kernel/clean-text.js";
import { type Duration, type Instant, SECOND } from "../../../kernel/time.js";

const NAME_MAX = 100;
const TEXT_MAX = 200;
const MEMBERS_MAX = 50;
const HISTORY_MAX = 1_000;

const NAME = z.string().transform((text) => cleanText(text, NAME_MAX));
const COUNT = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** GET /cluster. */
const CLUSTER = z.object({
  members: z
    .array(
      z.object({
        name: NAME,
        role: NAME,
        state: NAME,
        api_url: z.string().max(500).optional(),
        timeline: COUNT.optional(),
        lag: z.union([COUNT, z.string()]).optional(),
        tags: z.object({ nofailover: z.boolean().optional() }).optional(),
      }),
    )
    .max(MEMBERS_MAX),
  pause: z.boolean().optional(),
});

/** GET /patroni. */
const OWN = z.object({
  state: NAME,
  role: NAME,
  timeline: COUNT.optional(),
  xlog: z
    .object({
      location: COUNT.optional(),
      received_location: COUNT.optional(),
      replayed_location: COUNT.optional(),
    })
    .optional(),
  pause: z.boolean().optional(),
  patroni: z.object({ version: NAME, scope: NAME, name: NAME.optional() }).optional(),
});

/** GET /history: timeline, where it ended, why, and in newer versions when and for whom. */
const HISTORY = z.array(z.array(z.unknown()).min(3));

/** GET /config. */
const CONFIG = z.object({
  ttl: z.number().positive().optional(),
  loop_wait: z.number().positive().optional(),
  maximum_lag_on_failover: z.number().min(0).optional(),
  synchronous_mode: z.union([z.boolean(), z.string()]).optional(),
});

export interface PatroniMemberSeen {
  readonly name: string;
  /** Undefined when no endpoint that was given is its own. */
  readonly endpoint: string | undefined;
  /** As the members' common store says; it outlives a member by its lease. */
  readonly role: string;
  readonly state: string;
  readonly timeline: number | undefined;
  /** Bytes behind the leader; undefined for the leader, and when it is unknown. */
  readonly lag: number | undefined;
  readonly noFailover: boolean;
  /** What it says itself; undefined when it does not answer. */
  readonly own: PatroniOwnWord | undefined;
  /** It was not asked, for it did not answer several times before: what the common store says counts. */
  readonly unasked: boolean;
}

export interface PatroniOwnWord {
  readonly primary: boolean;
  readonly running: boolean;
  readonly timeline: number | undefined;
  readonly lsn: number | undefined;
}

export interface PatroniHistoryLine {
  readonly timeline: number;
  readonly lsn: number;
  readonly reason: string;
  /** As Patroni says it; empty when it does not. */
  readonly at: string;
  /** Who led the next timeline; empty when it is not said. */
  readonly leader: string;
}

export interface PatroniSettings {
  readonly ttl: Duration | undefined;
  readonly loopWait: Duration | undefined;
  readonly lagMaxBytes: number | undefined;
  readonly synchronous: boolean;
}

export interface PatroniSeen {
  readonly at: Instant;
  /** How many endpoints answered, of how many. */
  readonly heard: number;
  readonly asked: number;
  /** Why some did not. */
  readonly silent: readonly string[];
  /** Who holds the lease, null for nobody; undefined when the common store could not be asked. */
  readonly holder: string | null | undefined;
  readonly members: readonly PatroniMemberSeen[];
  /** Maintenance mode: Patroni fails nobody over by itself. */
  readonly paused: boolean;
  readonly history: readonly PatroniHistoryLine[];
  readonly settings: PatroniSettings | undefined;
  readonly version: string;
}

/** What was heard: bodies as JSON, undefined where nothing was. */
export interface PatroniHeard {
  readonly own: readonly {
    readonly endpoint: string;
    readonly body: unknown;
    /** Why there is no body. */
    readonly silent: string;
    readonly unasked: boolean;
  }[];
  readonly cluster: unknown;
  readonly history: unknown;
  readonly config: unknown;
}

const LEADERS: ReadonlySet<string> = new Set(["leader", "master", "primary"]);
/** Scheme, host and port, the port left out where it is the scheme's own. */
const originOf = (url: string): string =>
  (/^https?:\/\/[^/?#]+/i.exec(url)?.[0].toLowerCase() ?? url).replace(
    /^(https:.*):443$|^(http:.*):80$/,
    "$1$2",
  );

/**
 * Puts together what was heard; what does not have Patroni's form counts as not heard. `before` names the members when
 * their common store cannot be asked.
 */
export function readSeen(heard: PatroniHeard, at: Instant, before?: PatroniSeen): PatroniSeen {
  const own = heard.own.map((one) => ({ ...one, word: OWN.safeParse(one.body).data }));
  const answered = own.filter(({ word }) => word !== undefined);
  const view = CLUSTER.safeParse(heard.cluster).data;
  const wordOf = (name: string, endpoint: string | undefined): PatroniOwnWord | undefined => {
    const found = own.find(
      ({ word, endpoint: of }) => word?.patroni?.name === name || (endpoint !== undefined && of === endpoint),
    )?.word;
    return (
      found && {
        primary: LEADERS.has(found.role),
        running: found.state === "running",
        timeline: found.timeline,
        lsn: found.xlog?.location ?? found.xlog?.received_location ?? found.xlog?.replayed_location,
      }
    );
  };
  const unasked = (endpoint: string | undefined): boolean =>
    own.some((one) => one.endpoint === endpoint && one.word === undefined && one.unasked);
  const members = view?.members.map((member): PatroniMemberSeen => {
    const origin = member.api_url === undefined ? undefined : originOf(member.api_url);
    const endpoint = heard.own.find((one) => one.endpoint === origin)?.endpoint;
    return {
      name: member.name,
      endpoint,
      role: member.role,
      state: member.state,
      timeline: member.timeline,
      lag: typeof member.lag === "number" ? member.lag : undefined,
      noFailover: member.tags?.nofailover === true,
      own: wordOf(member.name, endpoint),
      unasked: unasked(endpoint),
    };
  });
  const known = (before?.members ?? []).map((member) => ({
    ...member,
    own: wordOf(member.name, member.endpoint),
    unasked: unasked(member.endpoint),
  }));
  const holder =
    members === undefined ? undefined : (members.find(({ role }) => LEADERS.has(role))?.name ?? null);
  return {
    at,
    heard: answered.length,
    asked: own.length,
    silent: own
      .filter(({ word }) => word === undefined)
      .map(({ endpoint, silent }) =>
        cleanText(silent === "" ? `${endpoint}: its answer is not Patroni's` : silent, TEXT_MAX),
      ),
    holder,
    members: members ?? known,
    paused: view?.pause ?? answered.some(({ word }) => word?.pause === true),
    history: readHistory(heard.history),
    settings: readSettings(heard.config),
    version: answered[0]?.word?.patroni?.version ?? "",
  };
}

function readHistory(body: unknown): readonly PatroniHistoryLine[] {
  const lines = HISTORY.safeParse(body).data ?? [];
  return lines.slice(-HISTORY_MAX).flatMap(([timeline, lsn, reason, at, leader]) => {
    if (typeof timeline !== "number" || typeof lsn !== "number") return [];
    return [{ timeline, lsn, reason: textOf(reason), at: textOf(at), leader: textOf(leader) }];
  });
}

const textOf = (value: unknown): string => (typeof value === "string" ? cleanText(value, TEXT_MAX) : "");

function readSettings(body: unknown): PatroniSettings | undefined {
  const read = CONFIG.safeParse(body).data;
  if (read === undefined) return undefined;
  const mode = read.synchronous_mode;
  return {
    ttl: read.ttl === undefined ? undefined : read.ttl * SECOND,
    loopWait: read.loop_wait === undefined ? undefined : read.loop_wait * SECOND,
    lagMaxBytes: read.maximum_lag_on_failover,
    synchronous: typeof mode === "string" ? !/^(?:off|false|no|0)$/i.test(mode) : mode === true,
  };
}

/** The owner that says itself that it takes writes; undefined when none, or more than one, does. */
export interface OpenOwner {
  /** It says so itself; else the common store does, and it could not be asked. */
  readonly itself: boolean;
  readonly leader: string;
  readonly timeline: number;
  readonly lsn: number | undefined;
}

export function openOwners(seen: PatroniSeen): readonly OpenOwner[] {
  return seen.members.flatMap(({ name, own, timeline }) =>
    own?.primary === true && own.running
      ? [{ itself: true, leader: name, timeline: own.timeline ?? timeline ?? 0, lsn: own.lsn }]
      : [],
  );
}

/** Of those that say themselves that they take writes, the one that holds the lease, or the only one. */
export function openOwner(seen: PatroniSeen): OpenOwner | undefined {
  const open = openOwners(seen);
  return open.find(({ leader }) => leader === seen.holder) ?? (open.length === 1 ? open[0] : undefined);
}

/**
 * Who leads by the common store, when it could not be asked itself. What the store says outlives a member by its lease: it
 * tells of a new timeline, and never that somebody is open now.
 */
export function storeOwner(seen: PatroniSeen): OpenOwner | undefined {
  const holder = seen.members.find(({ name }) => name === seen.holder);
  if (holder?.unasked !== true || holder.state !== "running" || holder.timeline === undefined)
    return undefined;
  return { itself: false, leader: holder.name, timeline: holder.timeline, lsn: undefined };
}

/** Whether nobody holds the lease, or its holder says that it takes no writes. */
export function isLost(seen: PatroniSeen): boolean {
  if (seen.heard === 0 || openOwner(seen) !== undefined) return false;
  if (seen.holder === null) return true;
  // Nobody can ask the common store: only when each of them says so itself it is known that none takes writes.
  if (seen.holder === undefined)
    return (
      seen.heard === seen.asked && seen.members.every(({ own }) => own?.primary !== true || !own.running)
    );
  const holder = seen.members.find(({ name }) => name === seen.holder);
  return holder?.own !== undefined && !(holder.own.primary && holder.own.running);
}

/** Replicas that Patroni would promote, the one that is least behind first. */
export function fitReplicas(seen: PatroniSeen): readonly PatroniMemberSeen[] {
  const lagMax = seen.settings?.lagMaxBytes ?? Number.POSITIVE_INFINITY;
  const lease = seen.members.some(({ role }) => role === "sync_standby");
  return seen.members
    .filter(
      ({ role, state, noFailover, lag, own, unasked }) =>
        !LEADERS.has(role) &&
        (state === "running" || state === "streaming") &&
        !noFailover &&
        (own?.running ?? unasked) &&
        lag !== undefined &&
        lag <= lagMax,
    )
    .filter(({ role }) => !lease || role === "sync_standby")
    .sort((a, b) => (a.lag ?? 0) - (b.lag ?? 0) || (a.name < b.name ? -1 : 1));
}
