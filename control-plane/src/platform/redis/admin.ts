/** What is asked of, and ordered to, Redis servers of others: who follows whom, how far, and since when. */
import { Redis } from "ioredis";
import { OpsError } from "../../kernel/errors.js";
import { type Duration, SECOND } from "../../kernel/time.js";

export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  readonly tls: boolean;
}

export interface RedisState {
  readonly role: "master" | "replica";
  /** Whom it follows; undefined for a master. */
  readonly follows: { readonly host: string; readonly port: number } | undefined;
  readonly isLinked: boolean;
  /** Since it last heard its master; undefined when it follows nobody, or never has. */
  readonly silentFor: Duration | undefined;
  /** It is being filled from its master: what it has is not whole. */
  readonly isSyncing: boolean;
  readonly isLoading: boolean;
  readonly offset: number;
  /** When it last wrote all it has to disk; the start of the server counts as such. */
  readonly savedAt: number;
  readonly upFor: Duration;
  readonly keys: number;
}

export interface RedisAdmin {
  look(): Promise<RedisState>;
  /** It follows nobody any more. */
  promote(): Promise<void>;
  follow(host: string, port: number): Promise<void>;
  /** Hands over to its replica with nothing lost: writes wait until the replica has everything. */
  handOver(host: string, port: number, withinMs: Duration): Promise<void>;
}

const TIMEOUT: Duration = 2 * SECOND;

/** Connects, does `work`, and goes. Throws OpsError UNAVAILABLE; passwords are in no error. */
export async function withRedisAdmin<T>(
  place: RedisPlace,
  work: (admin: RedisAdmin) => Promise<T>,
): Promise<T> {
  const name = `Redis at ${place.host}:${place.port}`;
  const client = new Redis({
    host: place.host,
    port: place.port,
    lazyConnect: true,
    connectTimeout: TIMEOUT,
    commandTimeout: TIMEOUT,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    // A server that loads its data says so, and that is an answer.
    enableReadyCheck: false,
    retryStrategy: () => null,
    ...(place.user === undefined ? {} : { username: place.user }),
    ...(place.password === undefined ? {} : { password: place.password }),
    ...(place.tls ? { tls: {} } : {}),
  });
  let lost: Error | undefined;
  client.on("error", (error: Error) => {
    lost = error;
  });
  try {
    await client.connect();
    return await work(adminOf(client));
  } catch (error) {
    if (error instanceof OpsError) throw error;
    throw new OpsError("UNAVAILABLE", `${name}: ${reasonOf(lost ?? error)}`, {}, { cause: error });
  } finally {
    client.disconnect();
  }
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message.slice(0, 200);
};

function adminOf(client: Redis): RedisAdmin {
  return {
    look: async () => readState(await client.info("all")),
    promote: async () => {
      await client.call("REPLICAOF", "NO", "ONE");
    },
    follow: async (host, port) => {
      await client.call("REPLICAOF", host, String(port));
    },
    handOver: async (host, port, withinMs) => {
      await client.call("FAILOVER", "TO", host, String(port), "TIMEOUT", String(withinMs));
    },
  };
}

/** Reads INFO's answer. */
export function readState(info: string): RedisState {
  const fields = new Map(
    info.split("\r\n").flatMap((line): [string, string][] => {
      const at = line.indexOf(":");
      return at < 0 || line.startsWith("#") ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
  const number = (name: string): number => Number(fields.get(name) ?? 0);
  const isReplica = fields.get("role") === "slave";
  const isLinked = fields.get("master_link_status") === "up";
  const down = number("master_link_down_since_seconds");
  const heard = number(isLinked ? "master_last_io_seconds_ago" : "master_link_down_since_seconds");
  const keys = [...fields].flatMap(([name, value]) =>
    /^db\d+$/.test(name) ? [Number(/keys=(\d+)/.exec(value)?.[1] ?? 0)] : [],
  );
  return {
    role: isReplica ? "replica" : "master",
    follows: isReplica ? { host: fields.get("master_host") ?? "", port: number("master_port") } : undefined,
    isLinked,
    // -1: never.
    silentFor: isReplica && heard >= 0 && (isLinked || down >= 0) ? heard * SECOND : undefined,
    isSyncing: fields.get("master_sync_in_progress") === "1",
    isLoading: fields.get("loading") === "1",
    offset: number(isReplica ? "slave_repl_offset" : "master_repl_offset"),
    savedAt: number("rdb_last_save_time") * SECOND,
    upFor: number("uptime_in_seconds") * SECOND,
    keys: keys.reduce((sum, count) => sum + count, 0),
  };
}
