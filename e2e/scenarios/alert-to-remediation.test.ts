/** The main story: a disk fills, an alert fires, a directory is cleaned, the alert resolves; an AI client reads it all. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AlertState } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Filesystem, fill, makeFilesystem } from "../harness/filesystem.js";
import type { Operator } from "../harness/operator.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

let stack: Stack;
let filesystem: Filesystem;
let operator: Operator;
const rules = (full: string) => `
groups:
  - name: disks
    interval: 1s
    rules:
      - alert: DiskSpaceLow
        expr: ${full}
        for: 3s
        labels: { severity: warning }
        annotations:
          description: "Only {{ $value | humanizePercentage }} disk space available on {{ $labels.mountpoint }}"
`;

beforeAll(async () => {
  filesystem = makeFilesystem();
  stack = await Stack.start({
    rules: rules(filesystem.fullWhen),
    remediation: `rules: [{ alert: DiskSpaceLow, action: clean-directory, verify: alert, arguments: { path: "${filesystem.path}", minAgeSeconds: 3600 } }]\n`,
    policy:
      "rules: [{ name: rules may clean, actors: [rule], actions: [clean-directory], verdict: allow }]\n",
  });
  operator = stack.operator();
  await stack.startAgent("db-1", {
    actions: { cleanDirectory: { roots: [filesystem.path], minAgeSeconds: 60 } },
  });
});
afterAll(async () => {
  await stack?.stop();
  filesystem?.remove();
});

describe("a disk fills", () => {
  let old: readonly string[] = [];
  let alertId = "";
  let commandId = "";

  test("the agent's real readings are there, and nothing fires", async () => {
    const query = `node_filesystem_avail_bytes{mountpoint="${filesystem.mountpoint}"}`;
    const series = await until(
      "readings of the filesystem",
      async () => (await operator.metrics().query({ expr: query })).series[0],
    );
    expect(series.labels).toMatchObject({ node: "db-1", mountpoint: filesystem.mountpoint });
    expect((await operator.alerts().listAlerts({})).alerts).toEqual([]);
  });

  test("the alert is pending, then firing after its `for`", async () => {
    writeFileSync(join(filesystem.path, "fresh.log"), "written just now");
    old = fill(filesystem);
    const pending = await until("the alert", async () => (await operator.alerts().listAlerts({})).alerts[0]);
    expect(pending).toMatchObject({
      state: AlertState.PENDING,
      rule: "DiskSpaceLow",
      labels: { node: "db-1" },
    });
    alertId = pending.alertId;
    const firing = await until("the alert to fire", async () => {
      const { alert } = await operator.alerts().getAlert({ alertId });
      return alert?.firedAt === undefined ? undefined : alert;
    });
    const held = Number((firing.firedAt?.seconds ?? 0n) - (firing.activeAt?.seconds ?? 0n));
    expect(held).toBeGreaterThanOrEqual(2);
  });

  test("its remediation is planned exactly, allowed, run, and told as it runs", async () => {
    const command = await until(
      "the command",
      async () => (await operator.commands().listCommands({ alertId })).commands[0],
    );
    commandId = command.commandId;
    const states: CommandState[] = [];
    let printed = "";
    for await (const { event } of operator.commands().watchCommand({ commandId })) {
      if (event.case === "command") states.push(event.value.state);
      if (event.case === "output") printed += new TextDecoder().decode(event.value.data);
    }
    expect(states.at(-1)).toBe(CommandState.SUCCEEDED);
    const { command: ended } = await operator.commands().getCommand({ commandId });
    expect(ended?.plan).toMatchObject({
      verdict: "allow",
      verdictBecause: 'policy rule "rules may clean" allows it',
    });
    expect(ended?.requestedBy).toMatchObject({ kind: "rule", name: "DiskSpaceLow" });
    for (const name of old) {
      expect(ended?.plan?.planJson).toContain(name);
      expect(printed).toContain(name);
    }
    expect(ended?.plan?.planJson).not.toContain("fresh.log");
  });

  test("exactly what was planned is gone", () => {
    expect(readdirSync(filesystem.path)).toEqual(["fresh.log"]);
    expect(old.some((name) => existsSync(join(filesystem.path, name)))).toBe(false);
  });

  test("the alert resolves, and that is what verifies the command", async () => {
    await until("the alert to resolve", async () => {
      const { alert } = await operator.alerts().getAlert({ alertId });
      return alert?.state === AlertState.RESOLVED ? alert : undefined;
    });
    const { command } = await until("verification", async () => {
      const answer = await operator.commands().getCommand({ commandId });
      return answer.command?.verification === "pending" ? undefined : answer;
    });
    expect(command?.verification).toBe("cleared");
  });

  test("an MCP client reads alert, plan, output and outcome", async () => {
    const url = await stack.startMcpServer();
    const client = new Client({ name: "story", version: "1.0.0" });
    const transport = new StreamableHTTPClientTransport(url, {
      requestInit: { headers: { authorization: `Bearer ${operator.token}` } },
    });
    await client.connect(transport);
    const call = async (name: string, args: Record<string, unknown>): Promise<string> => {
      const result = await client.callTool({ name, arguments: args });
      expect(result.isError ?? false, JSON.stringify(result)).toBe(false);
      return JSON.stringify(result);
    };
    expect(await call("alert_why", { alert_id: alertId })).toContain("DiskSpaceLow");
    const command = await call("command_get", { command_id: commandId });
    expect(command).toContain(old[0]);
    expect(command).toContain("cleared");
    expect(await call("journal_list", { subject: `command:${commandId}` })).toContain("command.succeeded");
    expect(await call("journal_verify", {})).toContain("true");
    await client.close();
  });

  test("the journal holds every step, in order, and verifies", async () => {
    const kinds = async (subject: string) =>
      (await operator.journal().listEntries({ subject })).entries.map((entry) => entry.kind);
    expect(await kinds(`alert:${alertId}`)).toEqual(["alert.pending", "alert.fired", "alert.resolved"]);
    expect(await kinds(`command:${commandId}`)).toEqual([
      "command.requested",
      "command.approved",
      "command.sent",
      "command.running",
      "command.succeeded",
      "remediation.cleared",
    ]);
    const verdict = await operator.journal().verifyJournal({});
    expect(verdict).toMatchObject({ intact: true, brokenAt: 0n });
  });
});
