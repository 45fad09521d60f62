/** Looks at a node's PostgreSQL, its programs and its peers before it comes under failover. Changes nothing. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ClientConfig } from "pg";
import { statePaths } from "../../identity/state-files.js";
import { reasonOf } from "../../log.js";
import { runProgram } from "../../run/process.js";
import { clientConfig } from "../executor/connection.js";
import { ServerFiles } from "../executor/server-files.js";
import type { HostPort, PostgresSettings } from "../settings.js";
import type { MemberFacts, ReplicationFacts, ServerFacts } from "./judge-member.js";

const QUERY_MS = 5_000;
const programs = ["postgres", "pg_rewind", "pg_basebackup", "pg_controldata"] as const;
const settingNames = [
  "wal_level",
  "max_wal_senders",
  "wal_log_hints",
  "data_checksums",
  "full_page_writes",
  "data_directory",
] as const;

export interface LookParts {
  readonly settings: PostgresSettings;
  readonly node: string;
  readonly stateDir: string;
  /** It has a token to enrol with. */
  readonly hasToken: boolean;
}

const textAt = ({ host, port }: HostPort): string =>
  host.startsWith("/") ? `${host} port ${port}` : `${host}:${port}`;

export async function lookAtMember({ settings, node, stateDir, hasToken }: LookParts): Promise<MemberFacts> {
  const files = new ServerFiles(settings, node, undefined);
  const { binDirectory, dataDirectory, firstPrimary, policy, user } = settings;
  const own = statSync(dataDirectory, { throwIfNoEntry: false });
  const uid = process.getuid?.() ?? 0;
  return {
    node,
    firstPrimary,
    members: policy.members,
    user,
    at: textAt(settings),
    dataDirectory,
    binDirectory,
    missingPrograms: [
      ...programs.filter((program) => !existsSync(join(binDirectory, program))),
      ...(existsSync("/usr/bin/setpriv") || existsSync("/bin/setpriv") ? [] : ["setpriv"]),
    ],
    binVersion: await versionOf(binDirectory),
    dataOwner:
      own === undefined ? "nobody-there" : own.uid === 0 ? "root" : own.uid === uid ? "ours" : "other",
    runsAsRoot: uid === 0,
    enrolled: existsSync(statePaths(stateDir).identity) ? "yes" : hasToken ? "by-token" : "no",
    here: await lookAtServer(clientConfig(files, "mainstay-check")),
    peers: await Promise.all(
      settings.peers.map(async ({ name, postgres }) => ({
        name,
        at: textAt(postgres),
        replication: await tryReplication({ ...clientConfig(files, "mainstay-check"), ...postgres }),
      })),
    ),
  };
}

/** Null when the program is not there, which is found by its name, or says nothing. */
async function versionOf(binDirectory: string): Promise<number | null> {
  let said = "";
  await runProgram({
    argv: [join(binDirectory, "postgres"), "--version"],
    timeoutMs: QUERY_MS,
    output: (_stream, text) => {
      said = `${said}${text}`.slice(-1_000);
    },
  });
  const major = /\(PostgreSQL\) (\d+)/.exec(said)?.[1];
  return major === undefined ? null : Number(major) * 10_000;
}

async function lookAtServer(config: ClientConfig): Promise<ServerFacts> {
  try {
    return await withClient({ ...config, query_timeout: QUERY_MS }, async (ask) => {
      const [row = {}] = await ask(`
        select current_setting('server_version_num')::int as version, system_identifier::text as system_id,
          timeline_id as timeline, pg_is_in_recovery() as recovering,
          (select rolsuper from pg_roles where rolname = current_user) as superuser
        from pg_control_system(), pg_control_checkpoint()`);
      const names = settingNames.map((name) => `'${name}'`).join(", ");
      const settings = await ask(`select name, setting from pg_settings where name in (${names})`);
      const slots = await ask(
        "select slot_name from pg_replication_slots where slot_type = 'physical' order by 1",
      );
      const streaming = await ask(
        "select application_name, host(client_addr) as address from pg_stat_replication where state = 'streaming' order by 1",
      );
      const found = Object.fromEntries(settings.map((one) => [String(one["name"]), String(one["setting"])]));
      return {
        kind: "reached",
        version: Number(row["version"]),
        systemId: String(row["system_id"]),
        timeline: Number(row["timeline"]),
        recovering: row["recovering"] === true,
        dataDirectory: found["data_directory"] ?? "",
        isSuperuser: row["superuser"] === true,
        settings: found,
        slots: slots.map((one) => String(one["slot_name"])),
        streaming: streaming.map((one) => `${one["application_name"]} (${one["address"] ?? "local"})`),
      };
    });
  } catch (error) {
    return { kind: "unreached", because: reasonOf(error) };
  }
}

/** As a replica would come: pg_hba.conf has lines of its own for that. */
async function tryReplication(config: ClientConfig): Promise<ReplicationFacts> {
  try {
    const replicating = { ...config, replication: "true", query_timeout: QUERY_MS };
    return await withClient(replicating, async (ask) => {
      const [row = {}] = await ask("IDENTIFY_SYSTEM");
      return { kind: "let-in", systemId: String(row["systemid"]) };
    });
  } catch (error) {
    // What PostgreSQL itself says has one of its own codes, of five characters.
    const said = error instanceof Error && "code" in error && /^[0-9A-Z]{5}$/.test(String(error.code));
    return { kind: said ? "refused" : "unreached", because: reasonOf(error) };
  }
}

async function withClient<T>(
  config: ClientConfig,
  act: (ask: (text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>) => Promise<T>,
): Promise<T> {
  const { default: pg } = await import("pg");
  const client = new pg.Client(config);
  // Without a listener its loss would end the process; what runs on it rejects anyway.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await act(async (text) => (await client.query<Readonly<Record<string, unknown>>>(text)).rows);
  } finally {
    client.end().catch(() => undefined);
  }
}
