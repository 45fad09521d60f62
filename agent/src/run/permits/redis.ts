/** Whether this host lets Redis servers be saved or restarted, and which. Pure. */
import type { Fields } from "../../fields.js";
import {
  absolutePath,
  declared,
  declaredName,
  deny,
  required,
  requiredName,
  type Verdict,
} from "../verdict.js";
import { type DeclaredProcess, readProcesses } from "./processes.js";

/** Redis servers that may be asked to save, or be restarted. */
export interface RedisPolicy {
  readonly servers: readonly DeclaredRedis[];
}

/** A Redis server of this host. */
export interface DeclaredRedis {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  /** Where saved data is copied to; it is not copied when undefined. */
  readonly copyTo: string | undefined;
  /** A program that says whether a copy is whole, given its path last, such as redis-check-rdb. */
  readonly check: readonly string[] | undefined;
  /** How it is restarted; it may not be when undefined. */
  readonly process: DeclaredProcess | undefined;
}

export function readRedis(fields: Fields): RedisPolicy {
  const servers = fields.each("servers").map((server): DeclaredRedis => {
    const check = server.texts("check", "a program and its arguments, each a text");
    if (check.length > 0 && check[0]?.startsWith("/") !== true)
      server.fault("check", check, "a list that begins with the program's absolute path");
    const read = {
      name: required(server, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
      host: server.text("host", "127.0.0.1", "a host", /^[A-Za-z0-9.:-]{1,253}$/) ?? "",
      port: server.integer("port", 6379, 1, 65_535),
      user: server.text("user", undefined, "a user's name", /^[^\0\r\n]{1,128}$/),
      passwordFile: server.text("passwordFile", undefined, "an absolute path", absolutePath),
      copyTo: server.text("copyTo", undefined, "an absolute path", absolutePath),
      check: check.length > 0 ? check : undefined,
      process: readProcesses(server, "process")[0],
    };
    server.done();
    return read;
  });
  fields.done();
  return { servers };
}

export function allowRedisSave(own: RedisPolicy | undefined, fields: Fields): Verdict {
  const server = requiredName(fields, "server", "Redis server");
  if (own === undefined) return deny("actions.redis is not set on this host");
  if (declared(own.servers, server) === undefined) return deny(`${server} is not in actions.redis.servers`);
  return { kind: "allow", arguments: { action: "redis-save", server } };
}

export function allowRedisRestart(own: RedisPolicy | undefined, fields: Fields): Verdict {
  const server = requiredName(fields, "server", "Redis server");
  if (own === undefined) return deny("actions.redis is not set on this host");
  if (declared(own.servers, server)?.process === undefined)
    return deny(`${server} is not in actions.redis.servers with a process of its own`);
  return { kind: "allow", arguments: { action: "redis-restart", server } };
}
