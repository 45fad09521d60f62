/**
 * Prometheus' remote write 1.0, as far as the comparison needs it: the same series and values as the agents send.
 */
import { Agent, request } from "node:http";
import { field, snappy, varint } from "./protobuf.mjs";
import { labelsOf, NodeValues, nodeName } from "./workload.mjs";

const SERIES_PER_REQUEST = 2_000;
const CONNECTIONS = 4;

/** A TimeSeries message with room for one sample at its end. */
function template(labels) {
  const pairs = [];
  for (let i = 0; i < labels.length; i += 2) {
    pairs.push(
      field(1, Buffer.concat([field(1, Buffer.from(labels[i])), field(2, Buffer.from(labels[i + 1]))])),
    );
  }
  // Sample: double value = 1; int64 timestamp = 2, six bytes of varint in this century.
  const sample = Buffer.concat([Buffer.from([0x09]), Buffer.alloc(8), Buffer.from([0x10]), Buffer.alloc(6)]);
  return field(1, Buffer.concat([...pairs, field(2, sample)]));
}

/**
 * Sends `rounds` samples of each series; resolves when all were taken. `afterRound` is told how many rounds are done, and
 * waited for.
 */
export async function remoteWrite(
  port,
  { nodes, series, rounds, intervalMs, now },
  { authorization, afterRound = () => {} } = {},
) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const values = Array.from({ length: nodes }, (_, node) => new NodeValues(node, series));
  // Requests hold whole nodes, or a part of one.
  const groups = [];
  let group = [];
  for (let node = 0; node < nodes; node++) {
    for (let s = 0; s < series; s++) {
      const labels = [...labelsOf(node, s), "node", nodeName(node)];
      group.push({ node, s, bytes: template(labels) });
      if (group.length === SERIES_PER_REQUEST) {
        groups.push(group);
        group = [];
      }
    }
  }
  if (group.length > 0) groups.push(group);
  const bodies = groups.map((entries) => {
    const body = Buffer.concat(entries.map(({ bytes }) => bytes));
    let end = 0;
    const places = entries.map(({ node, s, bytes }) => {
      end += bytes.length;
      return { node, s, value: end - 15, time: end - 6 };
    });
    return { body, places };
  });
  const post = (body) =>
    new Promise((resolve, reject) => {
      const headers = {
        "content-type": "application/x-protobuf",
        "content-encoding": "snappy",
        "x-prometheus-remote-write-version": "0.1.0",
        ...(authorization === undefined ? {} : { authorization }),
        "content-length": body.length,
      };
      const sent = request(
        { port, host: "127.0.0.1", path: "/api/v1/write", method: "POST", agent, headers },
        (response) => {
          let text = "";
          response.on("data", (data) => {
            text += data;
          });
          response.on("end", () =>
            response.statusCode < 300
              ? resolve()
              : reject(new Error(`remote write: ${response.statusCode} ${text.slice(0, 200)}`)),
          );
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  for (let round = 0; round < rounds; round++) {
    for (const each of values) each.next();
    const time = varint(now - (rounds - round) * intervalMs);
    const waiting = [...bodies];
    const lane = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        for (const { node, s, value, time: at } of next.places) {
          next.body.writeDoubleLE(values[node].values[s], value);
          time.copy(next.body, at);
        }
        await post(snappy(next.body));
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, lane));
    await afterRound(round + 1);
  }
  agent.destroy();
}
