import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { AlertState, ListAlertsResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { CommandState, GetCommandResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { GetOverviewResponseSchema, HealthStatus } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import {
  ListEntriesResponseSchema,
  VerifyJournalResponseSchema,
} from "@mainstay/proto/gen/mainstay/operator/v1/journal_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS } from "./run.js";
import { FakeHouse, fails } from "./testing/fake-house.js";

const CONFIG = join(import.meta.dirname, "../../config");

let house: FakeHouse;
beforeAll(async () => {
  house = await FakeHouse.open();
});
afterAll(() => house.close());

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
    house.answers = { getOverview: overview(is) };
    expect((await house.types("health")).code).toBe(code);
    expect(house.seenToken).toBe("Bearer secret-token");
  });

  test("shows what hosts wrote without obeying it", async () => {
    house.answers = { getOverview: overview(HealthStatus.HEALTHY) };
    const { out } = await house.types("health");
    expect(out).toContain("nodes: 2 live, 0 late, 0 lost");
    expect(out).toMatch(/database +healthy +answers in 1 ms \[31m/);
    expect(out).not.toContain("\u001b");
  });

  test("gives programs the contract's own JSON and YAML", async () => {
    house.answers = { getOverview: overview(HealthStatus.HEALTHY) };
    const { out } = await house.types("health", "-o", "json");
    expect(JSON.parse(out)).toMatchObject({ status: "HEALTH_STATUS_HEALTHY", nodesLive: 2 });
    expect((await house.types("health", "-o", "yaml")).out).toContain("status: HEALTH_STATUS_HEALTHY");
  });

  test("takes options before the command as well", async () => {
    house.answers = { getOverview: overview(HealthStatus.HEALTHY) };
    const { code, out } = await house.types("-o", "json", "health");
    expect([code, JSON.parse(out)]).toMatchObject([0, { nodesLive: 2 }]);
  });

  test.each([
    { typed: "alert", asked: "alert." },
    { typed: "alert.fired", asked: "alert.fired" },
  ])("journal --kind $typed asks for $asked", async ({ typed, asked }) => {
    house.answers = { listEntries: () => create(ListEntriesResponseSchema) };
    expect((await house.types("journal", "--kind", typed)).code).toBe(0);
    expect(house.seenRequest).toMatchObject({ kind: asked });
  });

  test.each([
    { state: AlertState.FIRING, code: 2 },
    { state: AlertState.PENDING, code: 0 },
  ])("alerts: $state ends with $code", async ({ state, code }) => {
    const alerts = [{ alertId: "a-1", rule: "Down", state, labels: { node: "db-1" } }];
    house.answers = { listAlerts: () => create(ListAlertsResponseSchema, { alerts }) };
    const told = await house.types("alerts");
    expect(told.code).toBe(code);
    expect(told.out).toContain('node="db-1"');
  });

  test.each([
    { state: CommandState.AWAITING_APPROVAL, code: 4 },
    { state: CommandState.RUNNING, code: 0 },
    { state: CommandState.FAILED, code: 1 },
    { state: CommandState.REFUSED, code: 3 },
  ])("a command in state $state ends with $code", async ({ state, code }) => {
    house.answers = {
      getCommand: () => create(GetCommandResponseSchema, { command: { commandId: "c-1", state } }),
    };
    expect((await house.types("commands", "get", "c-1")).code).toBe(code);
  });

  test("approves nothing without the plan that was read, and shows it", async () => {
    const command = { commandId: "c-1", plan: { hash: "abc", summary: "removes 3 files" } };
    house.answers = { getCommand: () => create(GetCommandResponseSchema, { command }) };
    const told = await house.types("commands", "approve", "c-1", "--reason", "ok");
    expect(told.code).toBe(1);
    expect(told.err).toContain("plan abc: removes 3 files");
    expect(told.err).toContain("give --plan HASH");
  });

  test.each([
    { says: "may not", answer: fails(status.PERMISSION_DENIED, "needs role approver"), code: 3 },
    { says: "is nobody", answer: fails(status.UNAUTHENTICATED, "no such token"), code: 3 },
    { says: "asks for what is not there", answer: fails(status.NOT_FOUND, "no such thing"), code: 1 },
  ])("who $says is told so, with $code", async ({ answer, code }) => {
    house.answers = { verifyJournal: answer };
    const told = await house.types("journal", "verify");
    expect(told.code).toBe(code);
    expect(told.err).toMatch(
      /^mainstay journal verify: (?:needs role approver|no such token|no such thing)$/,
    );
  });

  test("a broken journal is a failure", async () => {
    house.answers = {
      verifyJournal: () =>
        create(VerifyJournalResponseSchema, { intact: false, brokenAt: 7n, because: "changed" }),
    };
    expect(await house.types("journal", "verify")).toMatchObject({
      code: 1,
      out: "broken at entry 7: changed",
    });
  });

  test("says where it looked when nobody answers or there is no token", async () => {
    const nobody = await house.types("nodes", "--address", "127.0.0.1:1");
    expect(nobody).toMatchObject({ code: 1 });
    expect(nobody.err).toContain("the control plane at 127.0.0.1:1 cannot be reached");
    const tokenless = await house.types("nodes", "--token-file", join(house.folder, "none"));
    expect(tokenless.err).toContain("there is no token to call with");
  });
});

describe("typed wrongly", () => {
  test.each([
    { args: ["nope"], says: 'there is no command "nope"; mainstay --help lists them' },
    {
      args: ["commands", "nope"],
      says: 'there is no command "commands nope"; mainstay commands --help lists them',
    },
    { args: ["failover", "explain", "main", "last"], says: 'the epoch is "last", expected a whole number' },
    { args: ["mcp", "set", "off"], says: "give --reason TEXT" },
    { args: ["alerts", "-o", "xml"], says: '-o is "xml", expected table, json or yaml' },
    { args: ["commands", "get"], says: "usage: mainstay commands get ID" },
    { args: ["health", "--fast"], says: "Unknown option '--fast'" },
    { args: ["query", "up", "--range", "soon"], says: '--range is "soon"' },
    { args: ["commands", "reject", "c-1"], says: "give --reason TEXT" },
  ])("$args", async ({ args, says }) => {
    const { code, err } = await house.types(...args);
    expect(code).toBe(1);
    expect(err).toContain(says);
  });
});

test("--version is one line, and asks nobody", async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"));
  const nobody = { MAINSTAY_ADDRESS: "127.0.0.1:1" };
  expect(await house.typesIn(nobody, "--version")).toEqual({ code: 0, out: `mainstay ${version}`, err: "" });
});

describe("help", () => {
  test("tells a noun's own options, and its shorter names", async () => {
    const { out } = await house.types("journal", "--help");
    expect(out).toContain("usage: mainstay journal [--last N");
    expect(out).toContain("--kind KIND");
    expect(out).toContain("journal verify");
    expect((await house.types("help", "commands", "list")).out).toContain("Also: mainstay list.");
  });

  test("is what a noun without a verb gets, as a failure", async () => {
    const { code, out } = await house.types("commands");
    expect(code).toBe(1);
    expect(out).toContain("commands approve");
  });

  test("stands at every level and asks nobody", async () => {
    expect((await house.types("--help")).out).toContain("rules test");
    expect((await house.types("commands", "--help")).out).toContain("commands approve");
    for (const { name } of COMMANDS.filter((command) => command.name.includes(" "))) {
      const { code, out } = await house.types(...name.split(" "), "--help");
      expect([code, out.split("\n", 1)[0]]).toEqual([0, expect.stringContaining(`usage: mainstay ${name}`)]);
    }
  });
});

describe("rules on this machine", () => {
  test("pass their unit tests", async () => {
    const { code, out, err } = await house.types("rules", "test", join(CONFIG, "alert-rules.test.yml"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("  SUCCESS");
  });

  test("fail with promtool's words and 1 when an expectation is not met", async () => {
    const rules = join(house.folder, "alert-rules.yaml");
    writeFileSync(rules, readFileSync(join(CONFIG, "alert-rules.yaml")));
    const tests = readFileSync(join(CONFIG, "alert-rules.test.yml"), "utf8");
    writeFileSync(join(house.folder, "t.yml"), tests.replace("Error rate is 5%", "Error rate is 6%"));
    const { code, err } = await house.types("rules", "test", join(house.folder, "t.yml"));
    expect(code).toBe(1);
    expect(err).toContain(
      'Annotations:{description="Error rate is 6% for api-1", summary="High error rate detected"}',
    );
  });

  test("may be named by a pattern, and a pattern that matches nothing is said", async () => {
    writeFileSync(join(house.folder, "g.yml"), "rule_files: ['alert-*.yaml', 'none-*.yaml']\ntests: []\n");
    const { code, out } = await house.types("rules", "test", join(house.folder, "g.yml"));
    expect(code).toBe(0);
    expect(out).toContain("WARNING: no file match pattern none-*.yaml");
    expect(out).not.toContain("pattern alert-");
  });

  test("are checked with every fault's line", async () => {
    const path = join(house.folder, "bad.yaml");
    writeFileSync(path, "groups:\n  - name: g\n    rules:\n      - {alert: A, expr: sum(}\n");
    const { code, err } = await house.types("rules", "check", join(CONFIG, "alert-rules.yaml"), path);
    expect(code).toBe(1);
    expect(err).toContain(`${path}:4: group "g", rule 1, "A": could not parse expression: 1:5: parse error`);
  });

  test("of one name and one label set are pointed out", async () => {
    const path = join(house.folder, "twice.yaml");
    writeFileSync(path, "groups: [{name: g, rules: [{record: a, expr: up}, {record: a, expr: up}]}]\n");
    const { code, out } = await house.types("rules", "check", path);
    expect(code).toBe(0);
    expect(out).toContain("1 duplicate rule(s) found.");
  });
});
