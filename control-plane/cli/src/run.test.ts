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
import {
  GetImpactResponseSchema,
  TopologyService,
} from "@mainstay/proto/gen/mainstay/operator/v1/topology_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { argumentsOf } from "./commands/plan.js";
import { Failure } from "./failure.js";
import { COMMANDS, run } from "./run.js";

const CONFIG = join(import.meta.dirname, "../../config");

/** What a control plane would answer; each test says its part. */
let answers: Record<string, () => object> = {};
const folder = mkdtempSync(join(tmpdir(), "mainstay-cli-"));
const server = new Server();
let address = "";
let seenToken = "";

beforeAll(async () => {
  for (const service of [AlertsService, CommandsService, HealthService, JournalService, TopologyService]) {
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

const mainstay = (...args: readonly string[]) => mainstayIn({ MAINSTAY_READ_ONLY: "false" }, ...args);

let clock = 0;
let person: ((question: string) => Promise<string>) | undefined;

async function mainstayIn(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await run(args, {
    env: { MAINSTAY_STATE: folder, MAINSTAY_ADDRESS: address, ...env },
    workingDirectory: folder,
    home: folder,
    write: (text) => void out.push(text),
    warn: (text) => void err.push(text),
    now: () => clock,
    ...(person === undefined ? {} : { ask: person }),
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

const HASH = "0123456789ab".padEnd(64, "c");
const planOf = (more: object = {}) => ({
  hash: HASH,
  summary: "sets web to drain",
  approvalsNeeded: 0,
  inverseKind: "action",
  ...more,
});
/** Whatever is asked of a command, it is answered with this one. */
const answering = (state: CommandState, more: object = {}) => {
  const command = { commandId: "c-1", state, plan: planOf(), ...more };
  answers = Object.fromEntries(
    CommandsService.methods
      .filter(({ output }) => output.fields.some(({ localName }) => localName === "command"))
      .map(({ localName, output }) => [localName, () => create(output, { command })]),
  );
};

describe("a plan and what comes of it", () => {
  test.each([
    { is: CommandState.PLANNED, code: 0, next: "apply it: mainstay apply c-1 --plan 0123456789ab" },
    { is: CommandState.REFUSED, code: 3, next: "" },
    { is: CommandState.FAILED, code: 1, next: "" },
    { is: CommandState.PLANNING, code: 2, next: "the agent has not answered yet: mainstay get c-1" },
  ])("plan ends with $code when it is $is", async ({ is, code, next }) => {
    answering(is);
    const told = await mainstay("plan", "db-1", "set-backend-state", "server=web", "--reason", "x");
    expect(told).toMatchObject({ code, err: next });
  });

  test("takes typed arguments and no others", async () => {
    expect(argumentsOf(["a=1", "b=true", "c=1.5", "d=01", "e=x=y", "f:=[1]", "g="], undefined)).toBe(
      '{"a":1,"b":true,"c":1.5,"d":"01","e":"x=y","f":[1],"g":""}',
    );
    for (const wrong of [["noValue"], ["=1"], ["f:=["]])
      expect(() => argumentsOf(wrong, undefined)).toThrow(Failure);
    expect(() => argumentsOf(["a=1"], "{}")).toThrow(/not both/);
  });

  test.each([
    { is: CommandState.APPROVED, code: 0, says: "plan 0123456789ab; undo it: mainstay undo c-1" },
    { is: CommandState.AWAITING_APPROVAL, code: 4, says: "another person approves it: mainstay approve c-1" },
  ])("apply that becomes $is ends with $code and says what is next", async ({ is, code, says }) => {
    answering(is);
    const told = await mainstay("apply", "c-1", "--plan", "0123456789ab");
    expect(told.code).toBe(code);
    expect(told.err).toContain(says);
  });

  test("says plainly what cannot be undone", async () => {
    answering(CommandState.APPROVED, { plan: planOf({ inverseKind: "irreversible" }) });
    expect((await mainstay("apply", "c-1", "--plan", HASH)).err).toContain(
      "it cannot be undone: irreversible",
    );
  });

  test.each([
    ["too short a hash", ["--plan", "0123"], "expected at least the first 12 characters"],
    ["another plan's hash", ["--plan", "ffffffffffff"], "the plan is 0123456789ab…, not ffffffffffff"],
    [
      "no hash where nobody sits",
      [],
      "give --plan HASH of the plan that you have read, so that no other is applied by it",
    ],
  ])("applies nothing for %s", async (_, flags, says) => {
    answering(CommandState.PLANNED);
    answers["applyCommand"] = fails(status.INTERNAL, "it was asked all the same");
    const told = await mainstay("apply", "c-1", ...flags);
    expect(told.code).toBe(1);
    expect(told.err).toContain(says);
  });

  test("asks who sits there, and takes nothing but yes for yes", async () => {
    answering(CommandState.PLANNED);
    try {
      person = async () => "";
      expect((await mainstay("apply", "c-1")).err).toContain("the plan was not confirmed");
      person = async (question) => (question.includes("apply plan 0123456789ab?") ? "y" : "n");
      expect((await mainstay("apply", "c-1")).code).toBe(0);
    } finally {
      person = undefined;
    }
  });

  test("a command that did not help is degraded", async () => {
    answering(CommandState.SUCCEEDED, { verification: "not-cleared" });
    expect((await mainstay("get", "c-1")).code).toBe(2);
  });
});

describe("a context", () => {
  const home = { XDG_CONFIG_HOME: join(folder, "config"), XDG_STATE_HOME: join(folder, "own-state") };
  const here = (...args: readonly string[]) => mainstayIn(home, ...args);
  const changing = [
    ["apply", "c-1", "--plan", HASH],
    ["approve", "c-1", "--plan", HASH, "--reason", "x"],
    ["commands", "approve", "c-1", "--plan", HASH, "--reason", "x"],
    ["reject", "c-1", "--reason", "x"],
    ["cancel", "c-1", "--reason", "x"],
    ["undo", "c-1", "--reason", "x"],
  ] as const;

  test("is read-only until it is armed, and again when that is over", async () => {
    clock = 1_000_000;
    answering(CommandState.APPROVED);
    for (const words of changing) {
      answers["applyCommand"] = fails(status.INTERNAL, "it was asked all the same");
      const told = await here(...words);
      expect([words[0], told.code]).toEqual([words[0], 3]);
      expect(told.err).toContain('context "default" is read-only; "mainstay arm 10m" lets it be changed');
    }
    answering(CommandState.APPROVED);
    expect((await here("arm", "10m")).out).toContain('context "default" may be changed for 10m');
    clock += 60_000;
    for (const words of changing) {
      const told = await here(...words);
      expect([words[0], told.code]).toEqual([words[0], 0]);
      expect(told.err).toContain('[armed: context "default" may be changed for 9m more');
    }
    clock += 9 * 60_000;
    expect((await here(...changing[0])).code).toBe(3);
  });

  test("refuses whatever may change something, of every noun, and lets an emergency stop pass", () => {
    const lists = /^(?:alerts|rules|health|nodes|query|journal|components|impact|safety|effects|context .*)$/;
    const looks =
      /(?:^| )(?:list|show|get|watch|lint|check|test|explain|verify|plan|runs|search|why|replay|groups|objectives)$/;
    const unguarded = COMMANDS.filter(({ changes }) => changes !== true)
      .map(({ name }) => name)
      .filter((name) => !lists.test(name) && !looks.test(name));
    expect(unguarded.sort()).toEqual(["arm", "brake trip", "disarm", "rollout pause"]);
  });

  test("lets look and plan at all times", async () => {
    answering(CommandState.PLANNED);
    expect((await here("plan", "db-1", "netcheck")).code).toBe(0);
    expect((await here("get", "c-1")).code).toBe(0);
  });

  test("is armed for itself and no other, and disarmed", async () => {
    clock = 5_000_000;
    answering(CommandState.APPROVED);
    await here("context", "set", "lab", "--address", address);
    await here("context", "set", "open", "--address", address, "--writable");
    expect((await here("arm", "5m", "--context", "lab")).code).toBe(0);
    expect((await here(...changing[0])).code).toBe(3);
    expect((await here(...changing[0], "--context", "lab")).code).toBe(0);
    expect(await here(...changing[0], "--context", "open")).toMatchObject({ code: 0 });
    expect((await here("context", "list")).out).toMatch(/lab +127\.0\.0\.1:\d+ +armed for 5m/);
    await here("disarm", "--context", "lab");
    expect((await here(...changing[0], "--context", "lab")).code).toBe(3);
  });

  test("is chosen by name, and one that is not there is said", async () => {
    await here(
      "context",
      "set",
      "nobody",
      "--address",
      "127.0.0.1:1",
      "--token-file",
      join(folder, "operator-token"),
    );
    await here("context", "use", "nobody");
    const env = { ...home, MAINSTAY_ADDRESS: "" };
    expect((await mainstayIn(env, "health")).err).toContain("127.0.0.1:1 cannot be reached");
    expect((await mainstayIn(env, "health", "--context", "none")).err).toContain(
      'there is no context "none"; there is lab',
    );
    await here("context", "remove", "nobody");
    expect((await here("context", "list")).out).not.toContain("nobody");
  });

  test.each([["soon"], ["2h"], ["0"]])("is not armed for %s", async (duration) => {
    expect((await here("arm", duration)).code).toBe(1);
  });
});

describe("the policy on this machine", () => {
  const cases = join(CONFIG, "command-policy.test.yaml");
  test("says what its cases expect", async () => {
    const { code, out } = await mainstay("policy", "test", cases);
    expect(out).toMatch(/\d+ passed, 0 failed$/);
    expect(code).toBe(0);
  });

  test("fails where it says something else, and tells what", async () => {
    const policy = join(folder, "policy.yaml");
    writeFileSync(policy, "rules: [{ name: everything, verdict: allow }]\n");
    const { code, out } = await mainstay("policy", "test", cases, "--policy", policy);
    expect(code).toBe(1);
    expect(out).toContain('verdict: expected "ask", got "allow"');
  });

  test("faults of a file of cases have their line", async () => {
    const file = join(folder, "cases.yaml");
    writeFileSync(file, "policy: policy.yaml\ncases:\n  - name: x\n    at: yesterday\n");
    const { code, err } = await mainstay("policy", "test", file);
    expect(code).toBe(1);
    expect(err).toContain(`${file}:4: cases.0.at: not an instant: "yesterday"`);
  });

  test.each([
    { by: "rule:Full", action: "clean-directory", code: 0 },
    { by: "mcp:claude", action: "restart-service", code: 4 },
    { by: "schedule:x", action: "restart-service", code: 3 },
  ])("explains why $by may $action or not, with $code", async ({ by, action, code }) => {
    const policy = join(CONFIG, "command-policy.yaml");
    const told = await mainstay("policy", "explain", action, "--policy", policy, "--by", by);
    expect(told.code).toBe(code);
    expect(told.out).toMatch(/rule "diagnostics only look" does not match: it is/);
  });
});

describe("the topology", () => {
  test("tells who is affected, and through whom", async () => {
    answers = {
      getImpact: () =>
        create(GetImpactResponseSchema, {
          kind: "component",
          name: "vault",
          components: ["vault"],
          affected: [
            {
              component: { id: "mcp-api", criticality: "critical", rtoSeconds: 300n },
              path: ["vault", "mcp-api"],
            },
          ],
        }),
    };
    const { out } = await mainstay("impact", "vault");
    expect(out).toContain("When component vault is away:");
    expect(out).toMatch(/mcp-api +critical +5m +vault → mcp-api/);
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
