/**
 * Made-up agents, each with its own mutual-TLS connection and stream, sending the same hour of frames as fast as they
 * are taken. Bundled and started by ingest.mjs.
 */
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { AgentService, ConnectRequestSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { labelsOf, NodeValues } from "./workload.mjs";

const { port, identityFile, nodes, series, rounds, intervalMs, now } = JSON.parse(process.argv[2]);
const { ca, identities } = JSON.parse(readFileSync(identityFile, "utf8"));
const { connect } = toServiceDefinition(AgentService);
const REFS = Array.from({ length: series }, (_, ref) => ref + 1);

async function agent(node) {
  const { key, certificate } = identities[node];
  const client = new Client(
    `127.0.0.1:${port}`,
    credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(certificate)),
    { "grpc.ssl_target_name_override": "control-plane.mainstay", "grpc.use_local_subchannel_pool": 1 },
  );
  const call = client.makeBidiStreamRequest(
    connect.path,
    connect.requestSerialize,
    connect.responseDeserialize,
    new Metadata(),
  );
  const welcomed = new Promise((resolve, reject) => {
    call.on("data", ({ body }) => {
      if (body.case === "welcome") resolve();
      if (body.case === "resendSeries") reject(new Error("asked to announce again"));
    });
    call.on("error", reject);
  });
  const say = async (body) => {
    if (!call.write(create(ConnectRequestSchema, { body })))
      await new Promise((resolve) => call.once("drain", resolve));
  };
  await say({
    case: "hello",
    value: { outboxId: `box-${node}`, agentVersion: "bench", hostname: "bench", intervalMs },
  });
  await welcomed;
  await say({
    case: "series",
    value: { series: REFS.map((ref) => ({ ref, labels: labelsOf(node, ref - 1) })) },
  });
  await say({ case: "layout", value: { layoutId: 1, refs: REFS } });
  const values = new NodeValues(node, series);
  return async (round) => {
    const bytes = new Uint8Array(values.next().slice().buffer);
    const timestampMs = BigInt(now - (rounds - round) * intervalMs);
    await say({
      case: "frame",
      value: { sequence: BigInt(round + 1), layoutId: 1, timestampMs, values: bytes },
    });
  };
}

const senders = [];
for (let node = 0; node < nodes; node++) senders.push(await agent(node));
process.stdout.write("connected\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
for (let round = 0; round < rounds; round++) await Promise.all(senders.map((send) => send(round)));
process.stdout.write("sent\n");
