/** Has Redis write its data (BGSAVE), waits until that is done and good, and copies the file where one is declared. */
import { constants } from "node:fs";
import { copyFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../../log.js";
import type { Action, ActionContext, Done, Previewed } from "../action.js";
import type { DeclaredRedis } from "../permits/redis.js";
import type { Plan } from "../plans.js";
import { declared } from "../verdict.js";
import { describeEnd } from "./program-end.js";
import { RedisClient } from "./redis-client.js";

const pollMs = 100;

export const redisSave: Action<"redis-save"> = {
  name: "redis-save",

  async preview(args, context): Promise<Previewed> {
    const server = find(args.server, context);
    if (server === undefined) return { kind: "impossible", because: `${args.server} is not declared` };
    try {
      const now = await withRedis(server, lookAtSaves);
      const plan: Plan = {
        action: "redis-save",
        arguments: { server: args.server },
        before: { ...now },
        copyTo: server.copyTo ?? null,
        inverse: "nothing-to-undo",
      };
      const copy = server.copyTo === undefined ? "" : ` and copy it to ${server.copyTo}`;
      return {
        kind: "planned",
        plan,
        summary: `would save ${now.keys} keys of ${args.server}, ${now.changes} changes since the last save${copy}`,
      };
    } catch (error) {
      return { kind: "impossible", because: `${args.server}: ${reasonOf(error)}` };
    }
  },

  observed(plan) {
    return { runId: Object(plan["before"]).runId };
  },

  async run(args, plan, context): Promise<Done> {
    const server = find(args.server, context);
    if (server === undefined) return failed(`${args.server} is not declared on this host any more`);
    try {
      return await withRedis(server, async (client) => {
        const before = await lookAtSaves(client);
        if (before.runId !== Object(plan["before"]).runId)
          return failed(`${args.server} was restarted since the plan was made; nothing was done`);
        const saved = await save(client, context);
        if (saved.kind === "failed") return failed(`${args.server}: ${saved.because}`);
        const copied = server.copyTo === undefined ? undefined : await copy(client, server, saved, context);
        if (copied?.kind === "failed") return failed(`${args.server} was saved; ${copied.because}`);
        const place = copied === undefined ? "" : `, copied to ${copied.path} (${copied.bytes} bytes)`;
        return {
          succeeded: true,
          exitCode: 0,
          summary: `${args.server} saved ${saved.keys} keys in ${saved.seconds} s${place}`,
          result: {
            ...saved,
            copy: copied === undefined ? null : { path: copied.path, bytes: copied.bytes },
          },
        };
      });
    } catch (error) {
      return failed(`${args.server}: ${reasonOf(error)}`);
    }
  },

  async afterInterruption(args, plan, context): Promise<string> {
    const server = find(args.server, context);
    if (server === undefined) return `${args.server} is not declared any more`;
    const now = await withRedis(server, lookAtSaves);
    const since = now.lastSave > Number(Object(plan["before"]).lastSave) ? "has" : "has not";
    return `${args.server} ${since} saved since the plan${now.saving ? " and is saving now" : ""}`;
  },
};

/** What Redis says of its saves. Times are seconds since the epoch. */
interface Saves {
  readonly runId: string;
  readonly lastSave: number;
  readonly saving: boolean;
  readonly changes: number;
  readonly keys: number;
}

async function lookAtSaves(client: RedisClient): Promise<Saves> {
  const info = await client.info("persistence");
  return {
    runId: (await client.info("server")).get("run_id") ?? "",
    lastSave: Number(info.get("rdb_last_save_time") ?? 0),
    saving: info.get("rdb_bgsave_in_progress") !== "0",
    changes: Number(info.get("rdb_changes_since_last_save") ?? 0),
    keys: Number(await client.ask("DBSIZE")),
  };
}

export type Saved =
  | { readonly kind: "saved"; readonly lastSave: number; readonly keys: number; readonly seconds: number }
  | { readonly kind: "failed"; readonly because: string };

/**
 * Saves and waits. BGSAVE answers at once and works in a child: until that is done the file is the old one.
 */
export async function save(client: RedisClient, context: ActionContext): Promise<Saved> {
  const { clock, timers } = context.system;
  const before = await lookAtSaves(client);
  if (before.saving) context.say("a save is under way; it is waited for, and another one begun");
  for (let busy = before.saving; busy; busy = (await lookAtSaves(client)).saving) {
    if (context.signal.aborted || clock.monotonic() >= context.deadline)
      return { kind: "failed", because: "an earlier save did not end in time" };
    await timers.sleep(pollMs, context.signal);
  }
  // The second of the last save has to be over, or two saves could not be told apart.
  const lastBefore = Number(await client.ask("LASTSAVE"));
  while ((await serverSeconds(client)) <= lastBefore + 1) await timers.sleep(pollMs);
  context.say(await client.ask("BGSAVE"));
  for (;;) {
    const info = await client.info("persistence");
    if (info.get("rdb_bgsave_in_progress") === "0") {
      const lastSave = Number(info.get("rdb_last_save_time") ?? 0);
      if (info.get("rdb_last_bgsave_status") !== "ok")
        return { kind: "failed", because: `the save ended as ${info.get("rdb_last_bgsave_status") ?? "?"}` };
      if (lastSave <= lastBefore)
        return { kind: "failed", because: "Redis names no save newer than the last one" };
      return {
        kind: "saved",
        lastSave,
        keys: before.keys,
        seconds: Number(info.get("rdb_last_bgsave_time_sec") ?? 0),
      };
    }
    if (context.signal.aborted || clock.monotonic() >= context.deadline)
      return { kind: "failed", because: "the save did not end in time; it goes on by itself" };
    await timers.sleep(pollMs, context.signal);
  }
}

/** Redis' own clock, in seconds; one that does not say (before 6.2) is taken to be far on. */
async function serverSeconds(client: RedisClient): Promise<number> {
  const said = (await client.info("server")).get("server_time_usec");
  return said === undefined ? Number.POSITIVE_INFINITY : Number(said) / 1e6;
}

type Copied =
  | { readonly kind: "copied"; readonly path: string; readonly bytes: number }
  | { readonly kind: "failed"; readonly because: string };

/** Copies the file that Redis has put in place; the copy gets its name only once it is whole and was checked. */
async function copy(
  client: RedisClient,
  server: DeclaredRedis,
  saved: { readonly lastSave: number },
  context: ActionContext,
): Promise<Copied> {
  const target = join(server.copyTo ?? "", `${server.name}-${saved.lastSave}.rdb`);
  const part = `${target}.part`;
  try {
    const [directory, file] = [await setting(client, "dir"), await setting(client, "dbfilename")];
    await mkdir(server.copyTo ?? "", { recursive: true, mode: 0o700 });
    // A clone where the file system can: the server may replace its file, and the copy must not change with it.
    await copyFile(join(directory, file), part, constants.COPYFILE_FICLONE);
    if (server.check !== undefined) {
      const end = await context.runProgram({
        argv: [...server.check, part],
        timeoutMs: Math.max(1000, context.deadline - context.system.clock.monotonic()),
        signal: context.signal,
        output: (stream, text) => context.say(text.trimEnd(), stream),
      });
      if (end.kind !== "exited" || end.exitCode !== 0) {
        await rm(part, { force: true });
        return { kind: "failed", because: `the copy is not good: ${server.check[0]}: ${describeEnd(end)}` };
      }
    }
    await rename(part, target);
    return { kind: "copied", path: target, bytes: (await stat(target)).size };
  } catch (error) {
    await rm(part, { force: true });
    return { kind: "failed", because: `it was not copied: ${reasonOf(error)}` };
  }
}

/** CONFIG GET's answer is a list of a name and a value. */
async function setting(client: RedisClient, name: string): Promise<string> {
  const [, value] = await client.list("CONFIG", "GET", name);
  if (value === undefined) throw new Error(`Redis does not say its ${name}`);
  return value;
}

export async function withRedis<T>(
  server: DeclaredRedis,
  act: (client: RedisClient) => Promise<T>,
): Promise<T> {
  const client = await RedisClient.to(server);
  try {
    return await act(client);
  } finally {
    client.close();
  }
}

function find(name: string, { policy }: ActionContext): DeclaredRedis | undefined {
  return declared(policy.redis?.servers, name);
}

function failed(because: string): Done {
  return { succeeded: false, exitCode: 1, summary: because, result: { because } };
}
