import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import { parseConfig } from "./config.js";
import { createLogger, silentLogger } from "./logger.js";
import { Loop } from "./loop.js";
import { PolicyFile } from "./policy-file.js";
import { sql } from "./postgres/sql.js";
import { systemClock } from "./system.js";
import { fakeSystem } from "./testing/fake-system.js";

describe("settings", () => {
  const parse = (args: string[], env: Record<string, string> = {}, files: Record<string, string> = {}) =>
    parseConfig(args, env, (path) => {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT: ${path}`);
      return text;
    });

  test("have defaults for everything but the database", () => {
    const result = parse(["--embedded"]);
    if (result.kind !== "config") throw new Error(JSON.stringify(result));
    expect(result.config).toMatchObject({
      database: { kind: "embedded" },
      rest: { host: "127.0.0.1", port: 7480 },
      grpc: { port: 7481 },
      agents: { port: 7482 },
      certificateHours: 24,
      vault: undefined,
      redisUrl: undefined,
    });
    expect(parse([])).toEqual({ kind: "faults", faults: ["no database: give --embedded, or DATABASE_URL"] });
  });

  test("of a flag win over the environment, and those over the file", () => {
    const files = { "c.yaml": "databaseUrl: postgres://file/x\nrestPort: 1\ngrpcPort: 1\nagentPort: 1\n" };
    const result = parse(
      ["--config", "c.yaml", "--rest-port", "3"],
      { MAINSTAY_REST_PORT: "2", MAINSTAY_GRPC_PORT: "2" },
      files,
    );
    expect(result).toMatchObject({
      config: {
        rest: { port: 3 },
        grpc: { port: 2 },
        agents: { port: 1 },
        database: { url: "postgres://file/x" },
      },
    });
  });

  test("that are wrong are all named, with value, place and what was expected", () => {
    const env = {
      DATABASE_URL: "mysql://user:secret@db/x",
      MAINSTAY_REST_PORT: "99999",
      VAULT_ADDR: "https://vault",
    };
    const result = parse(["--log-level", "loud", "--tls-cert", "a.pem", "--config", "c.yaml"], env, {
      "c.yaml": "restprot: 1",
    });
    expect(result).toEqual({
      kind: "faults",
      faults: [
        expect.stringMatching(/^c\.yaml: unknown setting "restprot", expected one of /),
        "DATABASE_URL is not a URL that begins with postgres:// or postgresql://",
        "--tls-cert and --tls-key go together; only one is given",
        '--log-level is "loud", expected debug, info, warn or error',
        "VAULT_ADDR is set, but no way to log in: give VAULT_TOKEN_FILE, VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID",
        'MAINSTAY_REST_PORT is "99999", expected a number from 0 to 65535',
      ],
    });
    expect(JSON.stringify(result)).not.toContain("secret@");
  });

  test("name another engine whole, or not at all", () => {
    const remote = ["--embedded", "--timeseries", "remote"];
    const write = ["--remote-write-url", "http://me:secret@prom:9090/api/v1/write"];
    const query = ["--remote-query-url", "http://prom:9090"];
    const whole = parse([...remote, ...write, ...query]);
    if (whole.kind !== "config") throw new Error(JSON.stringify(whole));
    expect(whole.config.timeseries).toMatchObject({ kind: "remote", queryUrl: new URL("http://prom:9090") });
    expect(parse([...remote, ...write])).toEqual({
      kind: "faults",
      faults: ["a remote engine needs --remote-write-url and --remote-query-url"],
    });
    expect(parse(["--embedded", ...query])).toEqual({
      kind: "faults",
      faults: ["--remote-write-url and --remote-query-url go with --timeseries remote"],
    });
    expect(parse(["--embedded", "--timeseries", "thanos"])).toEqual({
      kind: "faults",
      faults: ['--timeseries is "thanos", expected embedded or remote'],
    });
  });

  test("say how other replicas reach this one", () => {
    const advertised = (...args: string[]) => {
      const result = parse(["--embedded", ...args]);
      return result.kind === "config" ? result.config.advertise : undefined;
    };
    expect(advertised()).toBe("127.0.0.1");
    expect(advertised("--host", "10.0.0.7")).toBe("10.0.0.7");
    expect(advertised("--host", "0.0.0.0")).not.toBe("0.0.0.0");
    expect(advertised("--host", "0.0.0.0", "--advertise", "cp-1.example.org")).toBe("cp-1.example.org");
  });

  test("are listed by --help", () => {
    const result = parse(["--help"]);
    expect(result.kind === "help" && result.text).toContain("--database-url URL");
  });
});

describe("SQL", () => {
  test("makes values parameters, and splices pieces", () => {
    const where = sql`a = ${1} and b = ${"x'; drop table y"}`;
    expect(sql`select * from t where c = ${0} and ${where} limit ${5}`).toMatchObject({
      text: "select * from t where c = $1 and a = $2 and b = $3 limit $4",
      values: [0, 1, "x'; drop table y", 5],
    });
  });
});

describe("a log line", () => {
  test("is one line of JSON, whatever it carries", () => {
    const lines: string[] = [];
    const logger = createLogger({ ...systemClock, now: () => 0 }, (line) => lines.push(line)).with({
      replica: "a",
    });
    logger.debug("not said");
    logger.warn(
      "it went wrong",
      { nodeId: "n\n1" },
      new OpsError("UNAVAILABLE", "away", { sqlState: "57P01" }, { cause: new Error("socket") }),
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("\n");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      time: "1970-01-01T00:00:00.000Z",
      level: "warn",
      sentence: "it went wrong",
      replica: "a",
      nodeId: "n\n1",
      error: { message: "away", code: "UNAVAILABLE", sqlState: "57P01", cause: { message: "socket" } },
    });
  });
});

describe("a loop", () => {
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };

  test("runs at once, then each interval, goes on after a failure, and stops", async () => {
    const { clock } = fakeSystem(0);
    const runs: number[] = [];
    const run = async (now: number): Promise<void> => {
      runs.push(now);
      if (runs.length === 2) throw new Error("once");
    };
    const loop = new Loop({ name: "l", interval: 1_000, clock, logger: silentLogger, run });
    loop.start();
    await settle();
    for (let i = 0; i < 3; i++) {
      clock.advance(1_000);
      await settle();
      if (i === 0)
        expect(loop.status).toMatchObject({ failuresInRow: 1, lastError: "once", lastSucceededAt: 0 });
    }
    loop.wake();
    await settle();
    expect(runs).toEqual([0, 1_000, 2_000, 3_000, 3_000]);
    expect(loop.status).toMatchObject({ failuresInRow: 0, lastSucceededAt: 3_000 });
    await loop.stop();
    clock.advance(9_000);
    await settle();
    expect(runs).toHaveLength(5);
  });
});

describe("a policy file", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "policy-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test("keeps the last good content and says what is wrong with the new, with path and line", async () => {
    const path = join(directory, "p.yaml");
    const file = new PolicyFile<number>({
      path,
      initial: 0,
      parse: ({ value, lineOf }) => {
        const limit = (value as { limit?: unknown } | null)?.limit;
        return typeof limit === "number"
          ? { value: limit }
          : { faults: [`${lineOf(["limit"])}: limit is not a number`] };
      },
      clock: systemClock,
      logger: silentLogger,
    });
    await file.load();
    expect([file.current, file.faults.length]).toEqual([0, 1]);
    await writeFile(path, "# a comment\nlimit: 5\n");
    await file.load();
    expect([file.current, file.faults]).toEqual([5, []]);
    await writeFile(path, "# a comment\n\nlimit: many\n");
    await file.load();
    expect([file.current, file.faults]).toEqual([5, [`${path}:3: limit is not a number`]]);
    await writeFile(path, "limit: [\n");
    await file.load();
    expect(file.current).toBe(5);
    expect(file.faults[0]).toMatch(/p\.yaml:\d+: /);
  });
});
