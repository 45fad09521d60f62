/** The files by which PostgreSQL is told what it is: its configuration, the standby's signal, passwords of replication. */
import { chownSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Holders, NodeId } from "@mainstay/proto/failover/words";
import { readIfThere, syncDirectory } from "../../identity/state-files.js";
import type { PostgresSettings } from "../settings.js";
import { GATE_NAME } from "./gate-name.js";

/** What differs from one start to the next. */
export interface ServerRole {
  /** Whom a standby takes its log from; null for nobody. */
  readonly following: NodeId | null;
  /** Whom commits wait for: PostgreSQL's synchronous_standby_names; empty for nobody. */
  readonly waitFor: string;
}

const CONFIG = "mainstay.conf";
const PASSWORDS = "mainstay.pgpass";
const SIGNAL = "standby.signal";

/** Only these may be set by us; what else says them (ALTER SYSTEM) would win over our file. */
const ours = [
  "synchronous_standby_names",
  "primary_conninfo",
  "restore_command",
  "restart_after_crash",
  "recovery_target_timeline",
  "wal_log_hints",
  "hot_standby",
];

/** What commits wait for, as PostgreSQL is told. */
export function waitForText(mode: "synchronous" | "asynchronous", holders: Holders): string {
  if (holders.required === 0) return "";
  // The gate confirms no more than may be acknowledged; the replicas are asked by the agent.
  if (mode === "asynchronous") return `FIRST 1 ("${GATE_NAME}")`;
  return `ANY ${holders.required} (${holders.members.map((member) => `"${member}"`).join(", ")})`;
}

export class ServerFiles {
  constructor(
    readonly settings: PostgresSettings,
    readonly node: NodeId,
    readonly user: { readonly uid: number; readonly gid: number } | undefined,
  ) {}

  get configFile(): string {
    return join(this.settings.dataDirectory, CONFIG);
  }

  /** Whether there is a database at all. */
  get present(): boolean {
    return readIfThere(join(this.settings.dataDirectory, "PG_VERSION")) !== undefined;
  }

  /** How a peer's PostgreSQL is connected to; undefined for one that is none. */
  connectionTo(peer: NodeId, applicationName = this.node): string | undefined {
    const { peers, user, passwordFile } = this.settings;
    const at = peers.find(({ name }) => name === peer)?.postgres;
    if (at === undefined) return undefined;
    const passfile = passwordFile === undefined ? "" : ` passfile=${this.#quoted(this.#path(PASSWORDS))}`;
    return (
      `host=${this.#quoted(at.host)} port=${at.port} user=${this.#quoted(user)}${passfile} ` +
      `application_name=${this.#quoted(applicationName)} connect_timeout=3 ` +
      "keepalives_idle=2 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=5000"
    );
  }

  /** Writes the configuration; what runs takes it when it is told to reload. */
  write({ following, waitFor }: ServerRole): void {
    const { configFile, port, host, policy } = this.settings;
    const source = following === null ? "" : (this.connectionTo(following) ?? "");
    const lines = [
      "# Written by the agent at each start; what is changed here is lost.",
      "# Below what the server's own configuration may say otherwise:",
      "max_wal_senders = 10",
      "wal_keep_size = '1GB'",
      "wal_sender_timeout = '5s'",
      // That its primary is silent is part of what a replica is asked when the lease runs out, so it knows it before.
      `wal_receiver_timeout = '${Math.round(Math.min(5_000, Math.max(1_500, (policy.leaseMs * 2) / 3)))}ms'`,
      "wal_receiver_status_interval = '1s'",
      // Commits that wait for a replica wait for it to connect again, too, when a primary has started again.
      "wal_retrieve_retry_interval = '100ms'",
      ...this.#quickStart(),
      ...(this.#isFile(configFile) ? [`include '${configFile}'`] : []),
      "# What failover rests on:",
      `port = ${port}`,
      ...(host.startsWith("/") ? [`unix_socket_directories = ${literal(host)}`] : []),
      "hot_standby = on",
      "wal_log_hints = on",
      "restart_after_crash = off",
      "restore_command = ''",
      "recovery_target_timeline = 'latest'",
      `primary_conninfo = ${literal(source)}`,
      `synchronous_standby_names = ${literal(waitFor)}`,
    ];
    this.#put(CONFIG, `${lines.join("\n")}\n`, 0o600);
    this.#dropOverrides();
    this.#writePasswords();
  }

  /** Whoever starts it finds a standby; only a promotion, or a start within a lease, makes it more. */
  markStandby(): void {
    this.#put(SIGNAL, "", 0o600);
    syncDirectory(this.settings.dataDirectory);
  }

  unmarkStandby(): void {
    rmSync(join(this.settings.dataDirectory, SIGNAL), { force: true });
    rmSync(join(this.settings.dataDirectory, "recovery.signal"), { force: true });
    syncDirectory(this.settings.dataDirectory);
  }

  password(): string | undefined {
    const { passwordFile } = this.settings;
    return passwordFile === undefined ? undefined : readFileSync(passwordFile, "utf8").trim();
  }

  #writePasswords(): void {
    const password = this.password();
    if (password === undefined) return;
    const escaped = password.replace(/[\\:]/g, "\\$&");
    this.#put(PASSWORDS, `*:*:*:${this.settings.user}:${escaped}\n`, 0o600);
  }

  /** ALTER SYSTEM's file is read last of all. */
  #dropOverrides(): void {
    const text = readIfThere(this.#path("postgresql.auto.conf"));
    if (text === undefined) return;
    const kept = text
      .split("\n")
      .filter((line) => !ours.some((name) => new RegExp(`^\\s*${name}\\b`, "i").test(line)))
      .join("\n");
    if (kept !== text) this.#put("postgresql.auto.conf", kept, 0o600);
  }

  #path(name: string): string {
    return join(this.settings.dataDirectory, name);
  }

  #put(name: string, text: string, mode: number): void {
    const path = this.#path(name);
    writeFileSync(path, text, { mode, flush: true });
    if (this.user !== undefined) chownSync(path, this.user.uid, this.user.gid);
  }

  #isFile(path: string): boolean {
    try {
      return statSync(path).isFile();
    } catch {
      return false;
    }
  }

  /**
   * After a crash PostgreSQL flushes what the file system may not have yet. File by file that takes a second and more on a
   * busy disk, and minutes where there are many files; the file system as a whole, 10 ms. Linux tells of what could not be
   * written then from 5.8 on.
   */
  #quickStart(): readonly string[] {
    const server = Number(readIfThere(this.#path("PG_VERSION"))?.trim() ?? 0);
    const [major = 0, minor = 0] = (readIfThere("/proc/sys/kernel/osrelease") ?? "").split(".").map(Number);
    const tells = major > 5 || (major === 5 && minor >= 8);
    return server >= 14 && tells ? ["recovery_init_sync_method = 'syncfs'"] : [];
  }

  /** In a connection string. */
  #quoted(text: string): string {
    return `'${text.replace(/[\\']/g, "\\$&")}'`;
  }
}

/** In a configuration file. */
const literal = (text: string): string => `'${text.replace(/'/g, "''")}'`;
