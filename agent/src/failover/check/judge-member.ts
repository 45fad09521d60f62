/**
 * Whether a running PostgreSQL can come under failover as it is: each thing with what was found, where, and what was
 * expected. Pure; what is looked at is looked at elsewhere.
 */
import type { NodeId } from "@mainstay/proto/failover/words";

/** What a server says of itself; `because` when it could not be asked. */
export type ServerFacts =
  | { readonly kind: "unreached"; readonly because: string }
  | {
      readonly kind: "reached";
      /** PostgreSQL's `server_version_num`. */
      readonly version: number;
      readonly systemId: string;
      readonly timeline: number;
      readonly recovering: boolean;
      readonly dataDirectory: string;
      readonly isSuperuser: boolean;
      /** Settings by name, as they are in force. */
      readonly settings: Readonly<Record<string, string>>;
      /** Physical replication slots. */
      readonly slots: readonly string[];
      /** Replicas that stream from it, by application name. */
      readonly streaming: readonly string[];
    };

/** Whether the role may replicate from a server, as it would from here. */
export type ReplicationFacts =
  | { readonly kind: "let-in"; readonly systemId: string }
  /** The server said no. */
  | { readonly kind: "refused"; readonly because: string }
  /** Nothing answered. */
  | { readonly kind: "unreached"; readonly because: string };

export interface MemberFacts {
  readonly node: NodeId;
  readonly firstPrimary: NodeId;
  readonly members: readonly NodeId[];
  readonly user: string;
  /** Where this node's PostgreSQL was asked. */
  readonly at: string;
  readonly dataDirectory: string;
  readonly binDirectory: string;
  /** Programs of the directory that are not there. */
  readonly missingPrograms: readonly string[];
  /** As `postgres --version` there says it; null when it says nothing. */
  readonly binVersion: number | null;
  readonly dataOwner: "nobody-there" | "root" | "ours" | "other";
  readonly runsAsRoot: boolean;
  readonly enrolled: "yes" | "by-token" | "no";
  readonly here: ServerFacts;
  readonly peers: readonly {
    readonly name: NodeId;
    readonly at: string;
    readonly replication: ReplicationFacts;
  }[];
}

export interface Finding {
  /** `note` wants a person's eye and stands in nothing's way. */
  readonly verdict: "ok" | "wrong" | "note";
  readonly what: string;
  readonly found: string;
  readonly place: string;
  readonly expected: string;
}

const majorOf = (version: number): number => Math.floor(version / 10_000);

export function judgeMember(facts: MemberFacts): readonly Finding[] {
  return [...judgeHost(facts), ...judgeServer(facts), ...facts.peers.map((peer) => judgePeer(facts, peer))];
}

const finding = (
  holds: boolean,
  what: string,
  found: string,
  place: string,
  expected: string,
  otherwise: "wrong" | "note" = "wrong",
): Finding => ({ verdict: holds ? "ok" : otherwise, what, found, place, expected });

function judgeHost(facts: MemberFacts): readonly Finding[] {
  const { binDirectory, missingPrograms, binVersion, dataDirectory, dataOwner, runsAsRoot, enrolled } = facts;
  const owners = {
    "nobody-there": "no such directory",
    root: "root",
    ours: "the agent's own user",
    other: "another user",
  };
  return [
    finding(
      missingPrograms.length === 0,
      "programs",
      missingPrograms.length === 0 ? "all there" : `without ${missingPrograms.join(", ")}`,
      `postgres.binDirectory (${binDirectory})`,
      "PostgreSQL's server programs, and setpriv on the PATH",
    ),
    finding(
      binVersion !== null,
      "version of the programs",
      binVersion === null ? "unknown" : String(majorOf(binVersion)),
      binDirectory,
      "a version that says itself",
    ),
    finding(
      dataOwner === "ours" || (dataOwner === "other" && runsAsRoot),
      "owner of the data",
      owners[dataOwner],
      `postgres.dataDirectory (${dataDirectory})`,
      "whom PostgreSQL runs as: not root, and the agent's own user unless the agent is root",
    ),
    finding(
      enrolled !== "no",
      "certificate",
      enrolled === "yes"
        ? "this agent is enrolled"
        : enrolled === "by-token"
          ? "a join token"
          : "neither certificate nor token",
      "stateDir, joinToken, joinTokenFile",
      "an agent that is enrolled, or can be: members know each other by their certificates",
    ),
  ];
}

function judgeServer(facts: MemberFacts): readonly Finding[] {
  const { here, at, node, firstPrimary } = facts;
  if (here.kind === "unreached") {
    return [
      finding(
        false,
        "PostgreSQL",
        here.because,
        `${at} (postgres.host, port, user, passwordFile)`,
        "a running server, to be looked at before the agent takes it over; a replica without data has none",
        node === firstPrimary ? "wrong" : "note",
      ),
    ];
  }
  const setting = (name: string): string => here.settings[name] ?? "";
  const isPrimary = node === firstPrimary;
  const senders = Number(setting("max_wal_senders"));
  const sendersNeeded = facts.members.length + 2;
  const version = majorOf(here.version);
  const inForce = `${at}: SHOW`;
  return [
    finding(
      here.recovering === !isPrimary,
      "role",
      here.recovering ? "a standby" : "a primary",
      `${at}: pg_is_in_recovery()`,
      isPrimary ? `a primary, as postgres.firstPrimary is ${firstPrimary}` : `a standby of ${firstPrimary}`,
    ),
    finding(
      facts.binVersion === null || majorOf(facts.binVersion) === version,
      "version",
      String(version),
      `${at}: server_version`,
      `${facts.binVersion === null ? "that" : majorOf(facts.binVersion)} of postgres.binDirectory`,
    ),
    finding(
      here.dataDirectory === facts.dataDirectory,
      "data directory",
      here.dataDirectory,
      `${inForce} data_directory`,
      `${facts.dataDirectory}, as in postgres.dataDirectory`,
    ),
    finding(
      here.isSuperuser,
      "role of the agent",
      here.isSuperuser ? `${facts.user} is a superuser` : `${facts.user} is none`,
      `${at}: pg_roles`,
      "a superuser",
    ),
    finding(
      ["replica", "logical"].includes(setting("wal_level")),
      "wal_level",
      setting("wal_level"),
      `${inForce} wal_level`,
      "replica or logical",
    ),
    finding(
      senders >= sendersNeeded,
      "max_wal_senders",
      String(senders),
      `${inForce} max_wal_senders`,
      `at least ${sendersNeeded}: one for each member, and two for copies`,
    ),
    finding(
      setting("data_checksums") === "on" || setting("wal_log_hints") === "on",
      "wal_log_hints",
      `${setting("wal_log_hints")}, checksums ${setting("data_checksums")}`,
      `${inForce} wal_log_hints`,
      "on, or data checksums: the agent sets it when it starts PostgreSQL, and what was written before cannot be rewound",
      "note",
    ),
    finding(
      setting("full_page_writes") === "on",
      "full_page_writes",
      setting("full_page_writes"),
      `${inForce} full_page_writes`,
      "on: pg_rewind rests on it",
    ),
    finding(
      here.slots.length === 0,
      "replication slots",
      here.slots.join(", ") || "none",
      `${at}: pg_replication_slots`,
      "none that nobody uses: replicas need no slot under failover, and one that is left behind keeps the log for ever",
      "note",
    ),
    ...(isPrimary
      ? [
          finding(
            here.streaming.length >= 1,
            "replicas",
            here.streaming.join(", ") || "none",
            `${at}: pg_stat_replication`,
            "those that are to be members; one without data is filled from here",
            "note",
          ),
        ]
      : []),
  ];
}

function judgePeer(facts: MemberFacts, { name, at, replication }: MemberFacts["peers"][number]): Finding {
  const own = facts.here.kind === "reached" ? facts.here.systemId : null;
  if (replication.kind !== "let-in") {
    return finding(
      false,
      `replication from ${name}`,
      replication.because,
      `${at}: pg_hba.conf, listen_addresses`,
      `a line of pg_hba.conf there: host replication ${facts.user} <address of ${facts.node}> <method>, and the server listening`,
      // A replica without data has no server yet, and nothing to give.
      replication.kind === "refused" || name === facts.firstPrimary ? "wrong" : "note",
    );
  }
  const same = own === null || own === replication.systemId;
  return finding(
    same,
    `replication from ${name}`,
    same ? "let in" : `another database (system ${replication.systemId})`,
    `${at}: IDENTIFY_SYSTEM`,
    own === null ? "let in" : `let in, and a copy of the same database (system ${own})`,
  );
}

const marks = { ok: "ok   ", wrong: "WRONG", note: "note " } as const;

/** One line each; the place and what was expected where it is not as expected. */
export function tellFindings(findings: readonly Finding[]): string {
  return findings
    .map(({ verdict, what, found, place, expected }) =>
      verdict === "ok"
        ? `${marks.ok}  ${what}: ${found}`
        : `${marks[verdict]}  ${what}: found ${found}, at ${place}; expected ${expected}`,
    )
    .join("\n");
}
