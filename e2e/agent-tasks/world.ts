/** A house with things in it to be found, explained and done: three live nodes, one that is gone, alerts, certificates, a past. */
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { Role } from "@mainstay/proto/gen/mainstay/operator/v1/access_pb";
import { AlertState } from "@mainstay/proto/gen/mainstay/operator/v1/alerts_pb";
import { CommandState } from "@mainstay/proto/gen/mainstay/operator/v1/commands_pb";
import { Liveness } from "@mainstay/proto/gen/mainstay/operator/v1/fleet_pb";
import { reaches, request } from "../harness/commands.js";
import { writeSelfSigned } from "../harness/self-signed.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const METRICS = `
disk_used_ratio{disk="data"} 0.95
disk_used_ratio{disk="logs"} 0.4
disk_used_ratio{disk="root"} 0.61
directory_bytes{directory="/data/wal"} 9.1e10
directory_bytes{directory="/data/base"} 2.2e10
directory_bytes{directory="/data/tmp"} 4e9
queue_length{queue="mail"} 900
queue_length{queue="web"} 3
queue_length{queue="billing"} 120
replication_lag_seconds{replica="db-2"} 42
replication_lag_seconds{replica="db-3"} 0.3
connections_active 91
connections_max 100
backup_age_seconds 200000
`;

const rule = (name: string, expr: string, held: string, severity: string) =>
  `      - { alert: ${name}, expr: '${expr}', for: ${held}, labels: { severity: ${severity} } }`;
const RULES = [
  "groups:",
  "  - name: story",
  "    interval: 1s",
  "    rules:",
  rule("DiskFills", "disk_used_ratio > 0.9", "0s", "critical"),
  rule("QueueGrows", "queue_length > 100", "0s", "warning"),
  rule("ReplicaLags", "replication_lag_seconds > 30", "0s", "critical"),
  rule("ConnectionsHigh", "connections_active / connections_max > 0.9", "0s", "warning"),
  rule("BackupOld", "backup_age_seconds > 86400", "1h", "warning"),
  "",
].join("\n");
const FIRING = 5;

const POLICY = `
rules:
  - { name: a look is free, actions: [collect-diagnostics], verdict: allow }
  - { name: people may clean, actors: [human], requesters: [local-operator], actions: [clean-directory], verdict: allow }
  - { name: other people ask, actors: [human], actions: ["*"], verdict: ask }
  - { name: databases are cleaned by people, actors: [mcp], actions: [clean-directory], nodes: { role: database }, verdict: deny }
  - { name: the person at the client decides, actors: [mcp], actions: ["*"], verdict: ask, elicitation: true, onePersonIsEnough: true }
limits: { openPerNode: 100, perNodePerHour: 1000 }
`;

export interface World {
  readonly stack: Stack;
  readonly url: URL;
  /** The MCP client's token. */
  readonly token: string;
  /** What `{name}` in tasks stands for. */
  readonly facts: Readonly<Record<string, string>>;
  /** Files that tasks speak of, by their names there. */
  readonly files: Readonly<Record<string, string>>;
  /** Puts the files back that a task may have removed. */
  restore(): void;
  close(): Promise<void>;
}

export async function makeWorld(): Promise<World> {
  const exporter = createServer((_, response) => {
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.end(METRICS.trimStart());
  });
  await new Promise<void>((resolve) => exporter.listen(0, "127.0.0.1", resolve));
  const address = exporter.address();
  const scrape = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/metrics`;
  const stack = await Stack.start({ rules: RULES, policy: POLICY });
  const close = async (): Promise<void> => {
    await stack.stop();
    exporter.closeAllConnections();
    await new Promise((resolve) => exporter.close(resolve));
  };
  try {
    return { ...(await furnish(stack, scrape)), stack, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function furnish(stack: Stack, scrape: string): Promise<Omit<World, "stack" | "close">> {
  const operator = stack.operator();
  const folder = (name: string): string => {
    const path = join(stack.directory, name);
    mkdirSync(path);
    return path;
  };
  const [spool, data, tls] = [folder("spool"), folder("data"), folder("tls")];
  await writeSelfSigned(join(tls, "soon.pem"), "soon.example", 5);
  const longEnd = await writeSelfSigned(join(tls, "long.pem"), "long.example", 60);
  const files = { spool: join(spool, "old.log"), data: join(data, "old.wal") };
  const restore = (): void => {
    for (const file of Object.values(files)) {
      if (!existsSync(file)) writeFileSync(file, "x".repeat(10_000));
      utimesSync(file, 1_700_000_000, 1_700_000_000);
    }
  };
  restore();
  const cleans = (root: string) => ({
    cleanDirectory: { roots: [root], minAgeSeconds: 60 },
    collectDiagnostics: { enabled: true },
  });
  await stack.startAgent("old-1", { labels: { role: "cache", env: "prod" } });
  await stack.startAgent("db-1", {
    labels: { role: "database", env: "prod" },
    collect: { scrape: [{ job: "story", url: scrape }], certificates: { files: [`${tls}/*.pem`] } },
    actions: cleans(data),
  });
  await stack.startAgent("db-2", {
    labels: { role: "database", env: "stage" },
    actions: { collectDiagnostics: { enabled: true } },
  });
  await stack.startAgent("web-1", { labels: { role: "web", env: "prod" }, actions: cleans(spool) });
  const node = (name: string) => operator.fleet().getNode({ nodeId: name });
  await until("old-1 to have been live", async () => {
    if (stack.agent("old-1").hasEnded) throw new Error(stack.agent("old-1").text(20));
    return (await node("old-1")).node?.liveness === Liveness.LIVE ? true : undefined;
  });
  await stack.agent("old-1").killHard();
  for (const name of ["db-1", "db-2", "web-1"]) {
    await until(`${name} and its actions`, async () => (await node(name)).node?.actions[0]);
  }
  const cleaning = { path: spool, minAgeSeconds: 3_600 };
  const cleaned = await request(operator, "web-1", "clean-directory", cleaning);
  await reaches(operator, cleaned.commandId, [CommandState.SUCCEEDED]);
  restore();
  const carol = await stack.person("carol", [Role.OPERATOR]);
  const { command: wished } = await carol.commands().requestCommand({
    requestId: "carol-1",
    nodeId: "web-1",
    action: "clean-directory",
    argumentsJson: JSON.stringify(cleaning),
    reason: "tidy up before the audit",
    waitMs: 10_000,
  });
  const rejected = wished?.commandId ?? "";
  await reaches(operator, rejected, [CommandState.AWAITING_APPROVAL]);
  const alice = await stack.person("alice", [Role.APPROVER]);
  await alice.commands().rejectCommand({ commandId: rejected, reason: "not on a Sunday" });
  const url = await stack.startMcpServer({
    MAINSTAY_MCP_TOOLSETS: "all",
    MAINSTAY_MCP_DENY_ENVIRONMENTS: "stage",
  });
  await until("the alerts", async () => {
    const { alerts } = await operator.alerts().listAlerts({});
    const firing = alerts.filter(({ state }) => state === AlertState.FIRING).length;
    return firing === FIRING && alerts.length === FIRING + 1 ? true : undefined;
  });
  await until("the certificates", async () => {
    const { certificates } = await operator.fleet().listCertificates({});
    const found = certificates.filter(({ source }) => source.includes(tls));
    if (found.length === 2) return true;
    throw new Error(
      `there are ${certificates.map(({ source, readError }) => `${source} ${readError}`).join(", ")}`,
    );
  });
  await until("old-1 to be missed", async () =>
    (await node("old-1")).node?.liveness === Liveness.LIVE ? undefined : true,
  );
  const { entries } = await operator.journal().listEntries({ size: 1 });
  const facts = {
    ...{ spool, data, tls },
    "rejected.id": rejected,
    "db-1.id": (await node("db-1")).node?.nodeId ?? "",
    "journal.first": entries[0]?.kind ?? "",
    "long.end": longEnd.toISOString().slice(0, 10),
  };
  const token = readFileSync(join(stack.state, "mcp-token"), "utf8").trim();
  return { url, token, facts, files, restore };
}
