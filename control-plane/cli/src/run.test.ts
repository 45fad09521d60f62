import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import {
  AlertState,
  AlertsService,
  ListAlertsResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import {
  CommandState,
  CommandsService,
  GetCommandResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import {
  GetOverviewResponseSchema,
  HealthService,
  HealthStatus,
} from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import {
  JournalService,
  VerifyJournalResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS, run } from "./run.js";

const CONFIG = join(import.meta.dirname, "../../config");

/** What a control plane would answer; each test says its part. */
let answers: Record<string, () => object> = {};
const folder = mkdtempSync(join(tmpdir(), "mainstay-cli-"));
const server = new Server();
let address = "";
let seenToken = "";

beforeAll(async () => {
  for (const service of [AlertsService, CommandsService, HealthService, JournalService]) {
    const handlers = service.methods.map(({ localName }) => [
      localName,
      (call: ServerUnaryCall<unknown, object>, done: sendUnaryData<object>) => {
        seenToken = String(call.metadata.get("authorization")[0]);
        try {
          done(null, (answers[localName] ?? fails(status.UNIMPLEMENTED, "not in this test"))());
        } catch (error) {
          done(error as Error);
        }
      },
    ]);
    server.addService(toServiceDefinition(service), Object.fromEntries(handlers));
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  address = `127.0.0.1:${port}`;
  writeFileSync(join(folder, "operator-token"), "secret-token\n");
});

afterAll(() => {
  server.forceShutdown();
  rmSync(folder, { recursive: true });
});

function fails(code: number, details: string): () => never {
  return () => {
    throw Object.assign(new Error(details), { code, details });
  };
}

async function mainstay(...args: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await run(args, {
    env: { MAINSTAY_STATE: folder, MAINSTAY_ADDRESS: address },
    workingDirectory: folder,
    home: folder,
    write: (text) => void out.push(text),
    warn: (text) => void err.push(text),
    now: () => 0,
    signal: new AbortController().signal,
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

const overview = (of: HealthStatus) => () =>
  create(GetOverviewResponseSchema, {
    status: of,
    nodesLive: 2,
    components: [{ name: "database", status: of, because: "answers in 1 ms\u001b[31m" }],
  });

describe("against a control plane", () => {
  test.each([
    { is: HealthStatus.HEALTHY, code: 0 },
    { is: HealthStatus.DEGRADED, code: 2 },
    { is: HealthStatus.UNHEALTHY, code: 2 },
  ])("health $is ends with $code", async ({ is, code }) => {
    answers = { getOverview: overview(is) };
    expect((await mainstay("health")).code).toBe(code);
    expect(seenToken).toBe("Bearer secret-token");
  });

  test("shows what hosts wrote without obeying it", async () => {
    answers = { getOverview: overview(HealthStatus.HEALTHY) };
    const { out } = await mainstay("health");
    expect(out).toContain("nodes: 2 live, 0 late, 0 lost");
    expect(out).toMatch(/database +healthy +answers in 1 ms \[31m/);
    expect(out).not.toContain("\u001b");
  });

  test("gives programs the contract's own JSON and YAML", async () => {
    answers = { getOverview: overview(HealthStatus.HEALTHY) };
    const { out } = await mainstay("health", "-o", "json");
    expect(JSON.parse(out)).toMatchObject({ status: "HEALTH_STATUS_HEALTHY", nodesLive: 2 });
    expect((await mainstay("health", "-o", "yaml")).out).toContain("status: HEALTH_STATUS_HEALTHY");
  });

  test.each([
    { state: AlertState.FIRING, code: 2 },
    { state: AlertState.PENDING, code: 0 },
  ])("alerts: $state ends with $code", async ({ state, code }) => {
    const alerts = [{ alertId: "a-1", rule: "Down", state, labels: { node: "db-1" } }];
    answers = { listAlerts: () => create(ListAlertsResponseSchema, { alerts }) };
    const told = await mainstay("alerts");
    expect(told.code).toBe(code);
    expect(told.out).toContain('node="db-1"');
  });

  test.each([
    { state: CommandState.AWAITING_APPROVAL, code: 4 },
    { state: CommandState.RUNNING, code: 0 },
    { state: CommandState.FAILED, code: 1 },
    { state: CommandState.REFUSED, code: 3 },
  ])("a command in state $state ends with $code", async ({ state, code }) => {
    answers = {
      getCommand: () => create(GetCommandResponseSchema, { command: { commandId: "c-1", state } }),
    };
    expect((await mainstay("commands", "get", "c-1")).code).toBe(code);
  });

  test("approves nothing without the plan that was read, and shows it", async () => {
    const command = { commandId: "c-1", plan: { hash: "abc", summary: "removes 3 files" } };
    answers = { getCommand: () => create(GetCommandResponseSchema, { command }) };
    const told = await mainstay("commands", "approve", "c-1", "--reason", "ok");
    expect(told.code).toBe(1);
    expect(told.err).toContain("plan abc: removes 3 files");
    expect(told.err).toContain("give --plan HASH");
  });

  test.each([
    { says: "may not", answer: fails(status.PERMISSION_DENIED, "needs role approver"), code: 3 },
    { says: "is nobody", answer: fails(status.UNAUTHENTICATED, "no such token"), code: 3 },
    { says: "asks for what is not there", answer: fails(status.NOT_FOUND, "no such thing"), code: 1 },
  ])("who $says is told so, with $code", async ({ answer, code }) => {
    answers = { verifyJournal: answer };
    const told = await mainstay("journal", "verify");
    expect(told.code).toBe(code);
    expect(told.err).toMatch(
      /^mainstay journal verify: (?:needs role approver|no such token|no such thing)$/,
    );
  });

  test("a broken journal is a failure", async () => {
    answers = {
      verifyJournal: () =>
        create(VerifyJournalResponseSchema, { intact: false, brokenAt: 7n, because: "changed" }),
    };
    expect(await mainstay("journal", "verify")).toMatchObject({ code: 1, out: "broken at entry 7: changed" });
  });

  test("says where it looked when nobody answers or there is no token", async () => {
    const nobody = await mainstay("nodes", "--address", "127.0.0.1:1");
    expect(nobody).toMatchObject({ code: 1 });
    expect(nobody.err).toContain("the control plane at 127.0.0.1:1 cannot be reached");
    const tokenless = await mainstay("nodes", "--token-file", join(folder, "none"));
    expect(tokenless.err).toContain("there is no token to call with");
  });
});

describe("typed wrongly", () => {
  test.each([
    { args: ["nope"], says: 'there is no command "nope"' },
    { args: ["alerts", "-o", "xml"], says: '-o is "xml", expected table, json or yaml' },
    { args: ["commands", "get"], says: "usage: mainstay commands get ID" },
    { args: ["health", "--fast"], says: "Unknown option '--fast'" },
    { args: ["query", "up", "--range", "soon"], says: '--range is "soon"' },
    { args: ["commands", "reject", "c-1"], says: "give --reason TEXT" },
  ])("$args", async ({ args, says }) => {
    const { code, err } = await mainstay(...args);
    expect(code).toBe(1);
    expect(err).toContain(says);
  });
});

describe("help", () => {
  test("stands at every level and asks nobody", async () => {
    expect((await mainstay("--help")).out).toContain("rules test");
    expect((await mainstay("commands", "--help")).out).toContain("commands approve");
    for (const { name } of COMMANDS.filter((command) => command.name.includes(" "))) {
      const { code, out } = await mainstay(...name.split(" "), "--help");
      expect([code, out.split("\n", 1)[0]]).toEqual([0, expect.stringContaining(`usage: mainstay ${name}`)]);
    }
  });
});

describe("rules on this machine", () => {
  test("pass their unit tests", async () => {
    const { code, out, err } = await mainstay("rules", "test", join(CONFIG, "alert-rules.test.yml"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("  SUCCESS");
  });

  test("fail with promtool's words and 1 when an expectation is not met", async () => {
    const rules = join(folder, "alert-rules.yaml");
    writeFileSync(rules, readFileSync(join(CONFIG, "alert-rules.yaml")));
    const tests = readFileSync(join(CONFIG, "alert-rules.test.yml"), "utf8");
    writeFileSync(join(folder, "t.yml"), tests.replace("Error rate is 5%", "Error rate is 6%"));
    const { code, err } = await mainstay("rules", "test", join(folder, "t.yml"));
    expect(code).toBe(1);
    expect(err).toContain(
      'Annotations:{description="Error rate is 6% for api-1", summary="High error rate detected"}',
    );
  });

  test("may be named by a pattern, and a pattern that matches nothing is said", async () => {
    writeFileSync(join(folder, "g.yml"), "rule_files: ['alert-*.yaml', 'none-*.yaml']\ntests: []\n");
    const { code, out } = await mainstay("rules", "test", join(folder, "g.yml"));
    expect(code).toBe(0);
    expect(out).toContain("WARNING: no file match pattern none-*.yaml");
    expect(out).not.toContain("pattern alert-");
  });

  test("are checked with every fault's line", async () => {
    const path = join(folder, "bad.yaml");
    writeFileSync(path, "groups:\n  - name: g\n    rules:\n      - {alert: A, expr: sum(}\n");
    const { code, err } = await mainstay("rules", "check", join(CONFIG, "alert-rules.yaml"), path);
    expect(code).toBe(1);
    expect(err).toContain(`${path}:4: group "g", rule 1, "A": could not parse expression: 1:5: parse error`);
  });

  test("of one name and one label set are pointed out", async () => {
    const path = join(folder, "twice.yaml");
    writeFileSync(path, "groups: [{name: g, rules: [{record: a, expr: up}, {record: a, expr: up}]}]\n");
    const { code, out } = await mainstay("rules", "check", path);
    expect(code).toBe(0);
    expect(out).toContain("1 duplicate rule(s) found.");
  });
});
