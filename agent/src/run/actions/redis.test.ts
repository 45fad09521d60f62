import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { actionContext } from "../../testing/action-context.js";
import { until } from "../../testing/agent-process.js";
import { freePort } from "../../testing/free-port.js";
import { planned } from "../../testing/planned.js";
import { allow } from "../allow.js";
import { RedisClient, readReply } from "./redis-client.js";
import { redisRestart } from "./redis-restart.js";
import { redisSave } from "./redis-save.js";

let home = "";
let port = 0;
let child: ChildProcess | undefined;
const save = { action: "redis-save", server: "cache" } as const;
const restart = { action: "redis-restart", server: "cache" } as const;

const server = (more: object = {}) => ({
  name: "cache",
  port,
  passwordFile: join(home, "password"),
  copyTo: join(home, "copies"),
  check: ["/usr/bin/redis-check-rdb"],
  process: [
    {
      name: "redis",
      pidFile: join(home, "redis.pid"),
      start: ["/usr/bin/redis-server", join(home, "redis.conf")],
    },
  ],
  ...more,
});
const here = (more: object = {}) => actionContext({ redis: { servers: [server(more)] } });

async function client(): Promise<RedisClient> {
  const [declared] = here().context.policy.redis?.servers ?? [];
  if (declared === undefined) throw new Error("the test declares no server");
  return RedisClient.to(declared);
}

async function ask(...words: string[]): Promise<string> {
  const redis = await client();
  try {
    return await redis.ask(...words);
  } finally {
    redis.close();
  }
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "mainstay-redis-"));
  port = await freePort();
  writeFileSync(join(home, "password"), "s3cret words\n");
  writeFileSync(
    join(home, "redis.conf"),
    `port ${port}\nbind 127.0.0.1\ndir ${home}\nsave ""\nrequirepass "s3cret words"\npidfile ${home}/redis.pid\nlogfile ${home}/log\ndaemonize no\n`,
  );
  child = spawn("redis-server", [join(home, "redis.conf")], { stdio: "ignore" });
  writeFileSync(join(home, "redis.pid"), `${child.pid}\n`);
  let answers = false;
  await until("Redis answers", () => {
    ask("PING").then(
      () => {
        answers = true;
      },
      () => undefined,
    );
    return answers;
  });
});
afterEach(() => {
  const pid = existsSync(join(home, "redis.pid")) ? Number(readFileSync(join(home, "redis.pid"), "utf8")) : 0;
  for (const one of new Set([child?.pid ?? 0, pid])) {
    try {
      if (one > 1) process.kill(one, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  rmSync(home, { recursive: true });
});

describe("saving Redis", () => {
  test("the copy is the data of now, checked, and not the previous dump", async () => {
    await ask("SET", "first", "1");
    const { context, said } = here();
    const first = await redisSave.run(save, await planned(redisSave, save, context), context);
    expect(first.succeeded, first.summary).toBe(true);
    await ask("SET", "second", "the newest value");
    const plan = await planned(redisSave, save, context);
    expect(plan).toMatchObject({ inverse: "nothing-to-undo", before: { keys: 2, changes: 1 } });
    expect(readdirSync(join(home, "copies"))).toHaveLength(1);
    const done = await redisSave.run(save, plan, context);
    expect(done, done.summary).toMatchObject({ succeeded: true, result: { keys: 2 } });
    const copies = readdirSync(join(home, "copies")).sort();
    expect(copies).toHaveLength(2);
    const [older, newer] = copies.map((name) => readFileSync(join(home, "copies", name), "latin1"));
    expect(older).not.toContain("the newest value");
    expect(newer).toContain("the newest value");
    expect(said.join("\n")).toContain("RDB looks OK");
    expect(await redisSave.afterInterruption(save, plan, context)).toBe("cache has saved since the plan");
  });

  test("a copy that is not good is no copy, and a save that fails is said", async () => {
    const { context } = here({ check: ["/bin/false"] });
    const done = await redisSave.run(save, await planned(redisSave, save, context), context);
    expect(done.summary).toContain("the copy is not good");
    expect(readdirSync(join(home, "copies"))).toEqual([]);
    // A directory in the file's place: Redis cannot rename over it.
    rmSync(join(home, "dump.rdb"));
    mkdirSync(join(home, "dump.rdb"));
    const failing = await redisSave.run(save, await planned(redisSave, save, context), context);
    expect(failing).toMatchObject({ succeeded: false, summary: expect.stringContaining("ended as err") });
  });

  test("a wrong password is said without it", async () => {
    writeFileSync(join(home, "password"), "0ther");
    const answer = await redisSave.preview(save, here().context);
    expect(answer).toMatchObject({ kind: "impossible", because: expect.stringContaining("WRONGPASS") });
    expect(JSON.stringify(answer)).not.toContain("0ther");
  });
});

describe("restarting Redis", () => {
  test("its plan names the server and how much it holds, and neither saves nor stops it", async () => {
    await ask("SET", "one", "1");
    const pid = readFileSync(join(home, "redis.pid"), "utf8");
    const plan = await planned(redisRestart, restart, here().context);
    expect(plan).toMatchObject({ arguments: { server: "cache" }, redis: { role: "master", keys: 1 } });
    expect(readFileSync(join(home, "redis.pid"), "utf8")).toBe(pid);
    expect(existsSync(join(home, "dump.rdb"))).toBe(false);
    expect(await planned(redisRestart, restart, here().context)).toEqual(plan);
  });

  test("one that comes back without its keys is a failure, and is said", async () => {
    for (let key = 0; key < 3; key++) await ask("SET", `key-${key}`, "value");
    mkdirSync(join(home, "elsewhere"));
    const text = readFileSync(join(home, "redis.conf"), "utf8");
    writeFileSync(join(home, "other.conf"), text.replace(`dir ${home}`, `dir ${home}/elsewhere`));
    const start = ["/usr/bin/redis-server", join(home, "other.conf")];
    const { context } = here({ process: [{ name: "redis", pidFile: join(home, "redis.pid"), start }] });
    const done = await redisRestart.run(restart, await planned(redisRestart, restart, context), context);
    expect(done).toMatchObject({
      succeeded: false,
      summary: "cache was restarted and has lost all of its 3 keys",
    });
  });

  test("it is another server afterwards, with the same keys though it saves none by itself", async () => {
    for (let key = 0; key < 50; key++) await ask("SET", `key-${key}`, "value");
    const { context } = here();
    const plan = await planned(redisRestart, restart, context);
    expect(plan).toMatchObject({ inverse: "nothing-to-undo", redis: { role: "master", keys: 50 } });
    const done = await redisRestart.run(restart, plan, context);
    expect(done, done.summary).toMatchObject({ succeeded: true, result: { after: { keys: 50 } } });
    expect(await ask("GET", "key-49")).toBe("value");
    const again = await redisRestart.run(restart, plan, context);
    expect(again.summary).toContain("nothing was done");
    expect(await redisRestart.afterInterruption(restart, plan, context)).toContain(
      "it answers, with 50 keys",
    );
  });

  test("one that cannot be saved is not restarted", async () => {
    const { context } = here();
    const plan = await planned(redisRestart, restart, context);
    mkdirSync(join(home, "dump.rdb"));
    const before = readFileSync(join(home, "redis.pid"), "utf8");
    const done = await redisRestart.run(restart, plan, context);
    expect(done).toMatchObject({ succeeded: false, summary: expect.stringContaining("was not restarted") });
    expect(readFileSync(join(home, "redis.pid"), "utf8")).toBe(before);
  });
});

test.each([
  ["redis-save", { server: "cache" }, "allow"],
  ["redis-save", { server: "other" }, "deny"],
  ["redis-save", { server: "cache", copyTo: "/etc" }, "deny"],
  ["redis-restart", { server: "cache" }, "allow"],
  ["redis-restart", {}, "deny"],
])("the policy's word on %s %j is %s", (action, asked, verdict) => {
  expect(allow(here().context.policy, action, JSON.stringify(asked)).kind).toBe(verdict);
  expect(allow(actionContext({}).context.policy, action, JSON.stringify(asked)).kind).toBe("deny");
});

test("a server without a process of its own may be saved and not restarted", () => {
  const { policy } = here({ process: [] }).context;
  expect(allow(policy, "redis-save", '{"server":"cache"}').kind).toBe("allow");
  expect(allow(policy, "redis-restart", '{"server":"cache"}').kind).toBe("deny");
});

test.each([
  ["+OK\r\nrest", { text: "OK", isError: false, length: 5 }],
  ["-ERR no\r\n", { text: "ERR no", isError: true, length: 9 }],
  ["$3\r\na\r\r\n", undefined],
  ["$3\r\na\r\n\r\n", { text: "a\r\n", isError: false, length: 9 }],
  ["$-1\r\n", { text: "", isError: false, length: 5 }],
  ["HTTP/1.1 400\r\n", { isError: true }],
])("the reply %j is read", (text, reply) => {
  if (reply === undefined) expect(readReply(text)).toBeUndefined();
  else expect(readReply(text)).toMatchObject(reply);
});
