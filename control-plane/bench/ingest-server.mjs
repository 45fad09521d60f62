/**
 * The control plane's road from the agents' port to the hot window and on to PostgreSQL: the real link, fleet and engine
 * without the operators' doors. Bundled and driven by ingest.mjs over its standard input and output, a line of JSON each.
 */
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { Server } from "@grpc/grpc-js";
import { AgentService } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { toServiceDefinition } from "@mainstay/proto/grpc-js";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { CertificateAuthority } from "../src/access/ca.ts";
import { fileKeyStore } from "../src/access/key-store.ts";
import { OrderSigner } from "../src/access/order-signer.ts";
import { AgentLink } from "../src/edge/agent-link.ts";
import { RenewableCredentials } from "../src/edge/grpc-server.ts";
import { createFleet, makeJoinToken } from "../src/fleet/fleet.module.ts";
import { SYSTEM } from "../src/kernel/actor.ts";
import { DAY } from "../src/kernel/time.ts";
import { createLogger } from "../src/platform/logger.ts";
import { Database } from "../src/platform/postgres/database.ts";
import { startEmbedded } from "../src/platform/postgres/embedded.ts";
import { migrate } from "../src/platform/postgres/migrate.ts";
import { system } from "../src/platform/system.ts";
import { createTimeSeries } from "../src/timeseries/embedded.ts";
import { nodeName } from "./workload.mjs";

const { directory, migrations, worker, nodes } = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const logger = createLogger(system.clock, (line) => process.stderr.write(`${line}\n`), "warn");

const isRoot = process.getuid?.() === 0;
const postgres = await startEmbedded({
  directory,
  clock: system.clock,
  logger,
  isRoot,
});
const database = new Database({ url: postgres.url, logger });
await migrate(database, migrations);
const series = createTimeSeries({
  database,
  system,
  logger,
  workerUrl: pathToFileURL(worker),
  chunkAfter: 10_000,
});
await series.start();
const keys = join(directory, "keys");
await mkdir(keys, { mode: 0o700 });
const store = fileKeyStore(keys, system.draws);
const certifier = await CertificateAuthority.open({ store, system, clientLifetime: DAY });
const signer = await OrderSigner.open(store);
const fleet = createFleet({
  database,
  system,
  logger,
  certifier,
  append: (samples) => series.append(samples),
});
const link = new AgentLink({
  database,
  system,
  logger,
  sessions: fleet.sessions,
  replicaId: fleet.replicaId,
  certifier,
  orderKeys: () => signer.publicKeys(),
  telemetry: series,
  commandEvents: { take: async () => {}, connected: async () => {} },
});
const certificate = await certifier.issueForServer([]);
const server = new Server();
server.addService(toServiceDefinition(AgentService), {
  connect: (call) => void link.serve(call),
  enroll: () => {},
});
const tls = new RenewableCredentials({
  certificatePem: certificate.chainPem,
  keyPem: certificate.keyPem,
  clientCaPem: certifier.certificatePem,
});
const port = await new Promise((resolve, reject) => {
  server.bindAsync("127.0.0.1:0", tls, (error, bound) => (error === null ? resolve(bound) : reject(error)));
});

/** One key for all made-up agents: making keys is not what is measured. */
const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
async function enroll(node) {
  const { text } = await makeJoinToken(
    { database, system, certifier },
    { nodeName: "", validFor: 0, by: SYSTEM },
  );
  const own = node === 0 ? pair : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pkcs8 = own.privateKey.export({ type: "pkcs8", format: "der" });
  const spki = own.publicKey.export({ type: "spki", format: "der" });
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=bench",
    keys: {
      privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
      publicKey: await webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]),
    },
    signingAlgorithm: algorithm,
  });
  const given = await link.enroll(
    {
      joinToken: text,
      csr: new Uint8Array(csr.rawData),
      nodeName: nodeName(node),
      hostname: nodeName(node),
      agentVersion: "bench",
    },
    "127.0.0.1:1",
  );
  return { key: own.privateKey.export({ type: "pkcs8", format: "pem" }), certificate: given.certificatePem };
}
const identities = [];
for (let node = 0; node < nodes; node++) identities.push(await enroll(node));
const identityFile = join(directory, "identities.json");
await writeFile(identityFile, JSON.stringify({ ca: certifier.certificatePem, identities }), { mode: 0o600 });
say({ port, identityFile });

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "figures") {
    const { user, system: kernel } = process.cpuUsage();
    say({ cpuSeconds: (user + kernel) / 1e6, ...(await series.figures()) });
  } else if (line === "count") {
    const value = await series.query('count({job="node"})', Date.now(), { timeoutMs: 60_000 });
    say({ count: value.kind === "vector" ? (value.samples[0]?.value ?? 0) : 0 });
  } else if (line === "stop") {
    await link.drain();
    server.forceShutdown();
    await series.stop();
    await database.close();
    await postgres.stop();
    process.exit(0);
  }
}
