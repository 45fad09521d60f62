/**
 * The tools that operators have already: promtool, amtool, a Prometheus that writes, reads and alerts, and the runbook's
 * morning script; all of them real.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Exporter, startExporter } from "../harness/exporter.js";
import { type Prometheus, startPrometheus } from "../harness/prometheus.js";
import { Stack } from "../harness/stack.js";
import { until } from "../harness/until.js";

const run = promisify(execFile);

const NOTIFICATION = `
route:
  receiver: people
  group_by: [alertname]
  routes:
    - { receiver: database, matchers: ['team="database"'] }
receivers:
  - name: people
  - name: database
`;

let stack: Stack;
let exporter: Exporter;
let prometheus: Prometheus;
let token = "";
let directory = "";

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mainstay-tools-"));
  const notification = join(directory, "alertmanager.yml");
  writeFileSync(notification, NOTIFICATION);
  stack = await Stack.start({
    args: ["--alertmanager", notification],
    rules: `
groups:
  - name: watch
    interval: 1s
    rules:
      - { alert: Watchdog, expr: vector(1), labels: { severity: none } }
      - { record: "job:up:count", expr: count by (job) (up) }
`,
  });
  token = stack.operator().token;
  await stack.startAgent("web-1");
  exporter = await startExporter();
  exporter.set("mcp_server_errors_total", 0);
  const credentials = { authorization: { credentials: token } };
  const house = `http://127.0.0.1:${stack.ports.rest}`;
  const rules = join(stack.directory, "theirs.yaml");
  writeFileSync(
    rules,
    JSON.stringify({
      groups: [
        {
          name: "theirs",
          rules: [
            {
              alert: "ErrorsSeen",
              expr: "mcp_server_errors_total > 5",
              labels: { team: "database" },
              annotations: { summary: "{{ $value }} errors" },
            },
          ],
        },
      ],
    }),
  );
  prometheus = await startPrometheus(join(stack.directory, "prometheus"), {
    global: { scrape_interval: "1s", evaluation_interval: "1s", external_labels: { origin: "theirs" } },
    rule_files: [rules],
    scrape_configs: [{ job_name: "mcp-server", static_configs: [{ targets: [new URL(exporter.url).host] }] }],
    remote_write: [
      {
        url: `${house}/api/v1/write`,
        ...credentials,
        metadata_config: { send_interval: "1s" },
        queue_config: { batch_send_deadline: "1s" },
      },
    ],
    remote_read: [
      {
        url: `${house}/prometheus/api/v1/read`,
        ...credentials,
        read_recent: true,
        filter_external_labels: false,
      },
    ],
    alerting: {
      alertmanagers: [{ ...credentials, static_configs: [{ targets: [new URL(house).host] }] }],
    },
  });
});
afterAll(async () => {
  await prometheus?.stop();
  await exporter?.stop();
  await stack?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
  const answer = await fetch(`http://127.0.0.1:${stack.ports.rest}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
  });
  return { status: answer.status, text: await answer.text() };
}

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

async function query(expr: string): Promise<readonly Sample[]> {
  const { text } = await ask(`/api/v1/query?query=${encodeURIComponent(expr)}`);
  const { data, error } = JSON.parse(text) as { data?: { result: readonly Sample[] }; error?: string };
  if (data === undefined) throw new Error(error);
  return data.result;
}

const someOf = (expr: string): Promise<Sample> =>
  until(`samples of ${expr}`, async () => (await query(expr))[0]);

describe("a Prometheus that writes its samples here", () => {
  test("finds them here, with its own labels, types and help", async () => {
    const sample = await someOf('mcp_server_errors_total{origin="theirs"}');
    expect(sample.metric).toMatchObject({ job: "mcp-server", origin: "theirs" });
    await someOf('up{job="mcp-server"} == 1');
    const seconds = await someOf('count_over_time(up{job="mcp-server"}[5s]) >= 4');
    expect(Number(seconds.value[1])).toBeLessThanOrEqual(6);
    await until("metadata", async () =>
      (await ask("/api/v1/metadata?metric=mcp_server_errors_total")).text.includes('"gauge"')
        ? true
        : undefined,
    );
  });

  test("is a target here, beside our own agents", async () => {
    await someOf('up{job="mainstay-agent"}');
    const { text } = await ask("/api/v1/targets");
    const { data } = JSON.parse(text) as {
      data: { activeTargets: { scrapePool: string; health: string }[] };
    };
    const pools = data.activeTargets.map(({ scrapePool, health }) => `${scrapePool} ${health}`);
    expect(pools).toEqual(expect.arrayContaining(["mainstay-agent up", "mcp-server up"]));
  });

  test("reads ours as if they were its own", async () => {
    const sample = await until("our agent's load, asked of them", async () => {
      const answer = await fetch(`${prometheus.url}/api/v1/query?query=node_load1`);
      const { data } = (await answer.json()) as { data: { result: readonly Sample[] } };
      return data.result[0];
    });
    expect(sample.metric).toMatchObject({ __name__: "node_load1", node: "web-1" });
  });

  test("is federated, in a form that promtool takes for well made", async () => {
    const { text } = await ask("/federate?match[]=up&match[]=%7Bjob%3D%22mcp-server%22%7D");
    expect(text).toMatch(
      /^# TYPE mcp_server_errors_total untyped\nmcp_server_errors_total\{.*origin="theirs"\} 0 \d{13}\n/m,
    );
    expect(text).toMatch(/^up\{.*job="mainstay-agent".*\} 1 \d{13}$/m);
  });
});

describe("its alerts", () => {
  interface Shown {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly receivers: readonly { readonly name: string }[];
    readonly generatorURL: string;
  }
  const shown = async (): Promise<readonly Shown[]> =>
    JSON.parse((await ask('/api/v2/alerts?filter=alertname="ErrorsSeen"')).text);

  test("come to whom our routes say, and go when they are over", async () => {
    exporter.set("mcp_server_errors_total", 7);
    const alert = await until("their alert", async () => (await shown())[0]);
    expect(alert).toMatchObject({
      labels: { alertname: "ErrorsSeen", origin: "theirs", team: "database" },
      annotations: { summary: "7 errors" },
      receivers: [{ name: "database" }],
      generatorURL: expect.stringContaining("/graph?"),
    });
    exporter.set("mcp_server_errors_total", 1);
    await until("their alert to go", async () => ((await shown()).length === 0 ? true : undefined));
  });
});

describe.runIf(existsSync("/usr/bin/promtool"))("promtool", () => {
  // It takes credentials in the URL only.
  const url = (): string => `http://any:${token}@127.0.0.1:${stack.ports.rest}`;
  const promtool = async (...args: string[]): Promise<string> =>
    (await run("promtool", args, { cwd: stack.directory })).stdout;

  test("queries: instant, range, series, labels", async () => {
    await someOf("job:up:count");
    expect(await promtool("query", "instant", url(), 'up{job="mcp-server"}')).toMatch(/^up\{.*\} => 1 @\[/);
    expect(await promtool("query", "instant", "-o", "json", url(), "vector(2)")).toContain('"2"');
    expect(await promtool("query", "range", "--step=1s", url(), "job:up:count")).toMatch(/=>\n[\d.]+ @\[/);
    const series = await promtool("query", "series", "--match", "up", "--match", "job:up:count", url());
    expect(series).toContain('job="mainstay-agent"');
    const jobs = (await promtool("query", "labels", url(), "job")).trimEnd().split("\n");
    expect(jobs).toEqual(expect.arrayContaining(["mainstay-agent", "mcp-server"]));
    await expect(promtool("query", "instant", url(), "up{")).rejects.toMatchObject({
      stderr: expect.stringContaining("parse error"),
    });
  });

  test("fetches metrics for whoever debugs, and takes them for well made", async () => {
    expect(await promtool("debug", "metrics", url())).toContain("debug.tar.gz");
    expect(existsSync(join(stack.directory, "debug.tar.gz"))).toBe(true);
    const checked = run("promtool", ["check", "metrics"]);
    checked.child.stdin?.end((await ask("/metrics")).text);
    await expect(checked).resolves.toMatchObject({ stderr: "" });
  });

  test("its newer releases ask whether we are healthy and ready", async () => {
    for (const path of ["/-/healthy", "/-/ready", "/prometheus/-/ready", "/alertmanager/-/healthy"]) {
      expect((await ask(path)).status, path).toBe(200);
      expect((await ask(path, { method: "HEAD" })).status, path).toBe(200);
    }
    expect(await ask("/-/reload", { method: "POST" })).toEqual({ status: 200, text: "" });
  });
});

describe.runIf(existsSync("/usr/bin/amtool"))("amtool", () => {
  const amtool = async (...args: string[]): Promise<string> => {
    const url = `--alertmanager.url=http://any:${token}@127.0.0.1:${stack.ports.rest}`;
    return (await run("amtool", [url, ...args], { cwd: stack.directory })).stdout.trim();
  };

  test("alert add, query", async () => {
    await amtool("alert", "add", "DiskFull", "team=database", "--annotation=summary=full");
    await until("the alerts", async () => {
      const said = await amtool("alert", "query");
      return said.includes("DiskFull") && said.includes("Watchdog") ? true : undefined;
    });
    expect(await amtool("alert", "query", "team=~data.*")).toMatch(/DiskFull\s.*\sfull\s+active/);
    expect(await amtool("alert", "query", "-o", "extended", "DiskFull")).toContain('team="database"');
    const [alert] = JSON.parse(await amtool("alert", "query", "-o", "json", "alertname=DiskFull"));
    expect(alert).toMatchObject({
      receivers: [{ name: "database" }],
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(await amtool("alert", "query", "--receiver=people")).not.toContain("DiskFull");
  });

  test("silence add, query, update, import, expire", async () => {
    const id = await amtool("silence", "add", "alertname=DiskFull", "-c", "work", "-a", "me", "-d", "1h");
    expect(await amtool("silence", "query")).toContain(id);
    expect(await amtool("silence", "query", "-o", "extended", "alertname=DiskFull")).toContain("work");
    expect(await amtool("alert", "query")).not.toContain("DiskFull");
    expect(await amtool("alert", "query", "--silenced")).toContain("DiskFull");
    expect(await amtool("silence", "update", id, "-d", "2h", "-c", "longer")).toContain("longer");
    const [silence] = JSON.parse(await amtool("silence", "query", "-o", "json"));
    expect(silence).toMatchObject({ id, comment: "longer", status: { state: "active" } });
    const file = join(stack.directory, "silences.json");
    writeFileSync(file, JSON.stringify([{ ...silence, id: "", comment: "imported" }]));
    await amtool("silence", "import", file);
    expect(await amtool("silence", "query")).toContain("imported");
    const ids = (await amtool("silence", "query", "-q")).split("\n");
    expect(ids).toHaveLength(2);
    await amtool("silence", "expire", ...ids);
    expect(await amtool("silence", "query", "--expired", "-q")).toContain(id);
    await until("the alert to be back", async () =>
      (await amtool("alert", "query")).includes("DiskFull") ? true : undefined,
    );
    await expect(amtool("silence", "expire", id)).resolves.toBe("");
    await expect(amtool("silence", "add", "alertname=~.*", "-c", "x", "-a", "me")).rejects.toMatchObject({
      stderr: expect.stringContaining("must not match the empty string"),
    });
  });

  test("config show, config routes show and test, cluster show, check-config", async () => {
    const config = await amtool("config", "show");
    expect(config).toContain("receiver: people");
    const file = join(stack.directory, "shown.yml");
    writeFileSync(file, config);
    expect(await amtool("check-config", file)).toContain("SUCCESS");
    expect(await amtool("config", "routes", "show")).toContain("receiver: database");
    expect(await amtool("config", "routes", "test", "--verify.receivers=database", "team=database")).toBe(
      "database",
    );
    expect(await amtool("config", "routes", "test", "team=web")).toBe("people");
    expect(await amtool("cluster", "show")).toMatch(/Cluster Status:\s+ready/);
  });
});

describe.runIf(existsSync("/usr/bin/jq") && existsSync("/usr/bin/curl"))(
  "the runbook's morning script",
  () => {
    /** Its lines that ask Prometheus, as they stand there; the one that no shell takes is quoted, and curl told of the brackets. */
    const SCRIPT = `#!/bin/bash
set -eo pipefail
# 5. Check application metrics
echo "5. Checking application metrics..."
curl -s http://prometheus:9090/api/v1/query?query=up | jq '.data.result[] | select(.metric.job=="mcp-server")'
# 6. Check error rates
echo "6. Checking error rates (last 1h)..."
curl -g -s 'http://prometheus:9090/api/v1/query?query=rate(mcp_server_errors_total[1h])' | jq '.data.result'
# 9. Review overnight alerts
echo "9. Recent alerts (last 12h)..."
curl -s http://prometheus:9090/api/v1/alerts | jq '.data.alerts[] | {labels: .labels, state: .state}'
echo "=== Daily check complete ==="
`;

    test("finds what it looks for", async () => {
      // Where "prometheus" is, and who asks, stands in curl's own file: the lines need no change for it.
      const home = join(stack.directory, "curl");
      mkdirSync(home);
      const way = `connect-to = "prometheus:9090:127.0.0.1:${stack.ports.rest}"`;
      writeFileSync(join(home, ".curlrc"), `${way}\nheader = "authorization: Bearer ${token}"\n`, {
        mode: 0o600,
      });
      const script = join(home, "morning.sh");
      writeFileSync(script, SCRIPT, { mode: 0o700 });
      const { stdout } = await run("bash", [script], { env: { ...process.env, CURL_HOME: home } });
      const [, up = "", errors = "", alerts = ""] = stdout.split(/^\d\. .*$/m);
      expect(JSON.parse(up)).toMatchObject({
        metric: { __name__: "up", job: "mcp-server" },
        value: [expect.any(Number), "1"],
      });
      expect(JSON.parse(errors)).toMatchObject([
        { metric: { job: "mcp-server" }, value: [expect.any(Number), expect.any(String)] },
      ]);
      expect(alerts).toContain('"alertname": "Watchdog"');
      expect(alerts).toContain('"state": "firing"');
      expect(stdout).toContain("=== Daily check complete ===");
    });
  },
);

test("what was acknowledged to a writer outlives a kill", async () => {
  const { value } = await someOf('timestamp(count_over_time(up{job="mcp-server"}[10m]) > 10)');
  const counted = async (): Promise<number> => {
    const sums = ["up", "mcp_server_errors_total"].map((name) =>
      query(`sum(count_over_time(${name}{job="mcp-server"}[10m] @ ${value[1]}))`),
    );
    return (await Promise.all(sums)).flat().reduce((sum, sample) => sum + Number(sample.value[1]), 0);
  };
  const before = await counted();
  expect(before).toBeGreaterThan(10);
  stack.controlPlane.kill("SIGKILL");
  await stack.controlPlane.end();
  await stack.startControlPlane();
  expect(await counted()).toBe(before);
  // And the writer goes on.
  await someOf(`timestamp(up{job="mcp-server"}) > ${value[1]}`);
});

describe("what ends", () => {
  test("a target that cannot be reached is down here at once, its series over", async () => {
    await exporter.stop();
    await someOf('up{job="mcp-server"} == 0');
    await until("the series to be over", async () =>
      (await query("mcp_server_errors_total")).length === 0 ? true : undefined,
    );
  });
});
