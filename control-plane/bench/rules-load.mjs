/** What the eight rules look at, made up: 25 series a node, of which one node in a hundred breaches each rule. */
import { Agent, request } from "node:http";
import { field, snappy, varint } from "./protobuf.mjs";

export const SERIES_PER_NODE = 25;
/** One node in so many breaches each rule. */
const BREACHES = 100;
const SERIES_PER_REQUEST = 1_000;
const CONNECTIONS = 2;
const BUCKETS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"];

/** The series of one node: labels and the value at second `t`. */
function* seriesOf(node, endSeconds) {
  const instance = `host-${node}.example.net:9100`;
  // Each rule is breached by other nodes, so that no node is like another.
  const breaches = (rule) => node % BREACHES === rule;
  const base = { instance, job: "mcp-server" };
  const metric = (name, value, more = {}) => [{ __name__: name, ...base, ...more }, value];
  yield metric("mcp_server_errors_total", (t) => t * (breaches(0) ? 0.05 : 0.001));
  for (const [index, le] of BUCKETS.entries()) {
    const share = breaches(1) ? (index / 10) ** 3 : Math.min(1, (index + 1) / 6);
    yield metric("mcp_server_request_duration_seconds_bucket", (t) => Math.floor(t * 20 * share), { le });
  }
  yield metric("mcp_database_connections_active", () => (breaches(2) ? 95 : 20 + (node % 50)));
  yield metric("mcp_database_connections_max", () => 100);
  yield metric("redis_memory_used_bytes", () => (breaches(3) ? 9e8 : 2e8 + node));
  yield metric("redis_memory_max_bytes", () => 1e9);
  yield metric("kube_pod_container_status_restarts_total", (t) => (breaches(4) ? Math.floor(t / 60) : 3), {
    pod: `pod-${node}`,
  });
  yield metric("probe_ssl_earliest_cert_expiry", () => endSeconds + (breaches(5) ? 2 : 60) * 86_400);
  for (const mountpoint of ["/", "/var", "/srv"]) {
    const filesystem = { mountpoint, device: "/dev/vda", fstype: "ext4" };
    const full = breaches(6) && mountpoint === "/srv";
    yield metric("node_filesystem_avail_bytes", () => (full ? 5e9 : 6e10 + node), filesystem);
    yield metric("node_filesystem_size_bytes", () => 1e11, filesystem);
  }
  yield metric("up", () => (breaches(7) ? 0 : 1));
}

/** A TimeSeries message of remote write 1.0. */
function timeSeries([labels, valueAt], { samples, intervalMs, now }) {
  const parts = Object.keys(labels)
    .sort()
    .map((name) =>
      field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(String(labels[name])))])),
    );
  const endSeconds = now / 1_000;
  for (let i = samples - 1; i >= 0; i--) {
    const at = now - i * intervalMs;
    const sample = Buffer.alloc(9);
    sample[0] = 0x09;
    // Counters count from an hour before the end.
    sample.writeDoubleLE(valueAt(at / 1_000 - endSeconds + 3_600), 1);
    parts.push(field(2, Buffer.concat([sample, Buffer.from([0x10]), varint(at)])));
  }
  return field(1, Buffer.concat(parts));
}

/** Writes `samples` samples of every series, the last at `now`. Resolves when all were taken. */
export async function loadSeries(port, { nodes, samples, intervalMs, now }, authorization) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const post = (body) =>
    new Promise((resolve, reject) => {
      const headers = {
        "content-type": "application/x-protobuf",
        "content-encoding": "snappy",
        "x-prometheus-remote-write-version": "0.1.0",
        ...(authorization === undefined ? {} : { authorization }),
        "content-length": body.length,
      };
      const options = { port, host: "127.0.0.1", path: "/api/v1/write", method: "POST", agent, headers };
      const sent = request(options, (response) => {
        let text = "";
        response.on("data", (data) => {
          text += data;
        });
        response.on("end", () =>
          response.statusCode < 300
            ? resolve()
            : reject(new Error(`remote write: ${response.statusCode} ${text.slice(0, 200)}`)),
        );
      });
      sent.on("error", reject);
      sent.end(body);
    });
  function* bodies() {
    let messages = [];
    for (let node = 0; node < nodes; node++) {
      for (const series of seriesOf(node, now / 1_000)) {
        messages.push(timeSeries(series, { samples, intervalMs, now }));
        if (messages.length < SERIES_PER_REQUEST) continue;
        yield snappy(Buffer.concat(messages));
        messages = [];
      }
    }
    if (messages.length > 0) yield snappy(Buffer.concat(messages));
  }
  const waiting = bodies();
  const lane = async () => {
    for (const body of waiting) await post(body);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  agent.destroy();
}
