/** Identities of made-up agents. Bundled, for it uses the product's own authority. */
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import pg from "pg";
import { CertificateAuthority } from "../src/access/ca.ts";
import { fileKeyStore } from "../src/access/key-store.ts";
import { DAY } from "../src/kernel/time.ts";
import { system } from "../src/platform/system.ts";
import { nodeName } from "./workload.mjs";

/**
 * Identities as enrolling gives them, made with the house's own key and written as it writes them: what is measured
 * begins when the agents connect. One key serves all; each has a certificate of its own.
 */
export async function enroll({ first, count, stateDirectory, databaseUrl }, agentOf) {
  const store = fileKeyStore(stateDirectory, system.draws);
  const authority = await CertificateAuthority.open({ store, system, clientLifetime: DAY });
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = pair.privateKey.export({ type: "pkcs8", format: "pem" });
  const csr = await requestFor(pair);
  const { keyHash } = await authority.inspect(csr);
  const agents = [];
  const rows = { nodes: [], names: [], serials: [], issued: [], expires: [] };
  const ca = authority.certificatePem;
  for (let number = first; number < first + count; number++) {
    const node = system.draws.id(Date.now());
    const issued = await authority.issueForNode(csr, node);
    rows.nodes.push(node);
    rows.names.push(nodeName(number));
    rows.serials.push(issued.serial);
    rows.issued.push(new Date(issued.issuedAt));
    rows.expires.push(new Date(issued.expiresAt));
    agents.push(agentOf(number, { key, ca, certificate: issued.chainPem }));
  }
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  await database.query(
    `insert into node (node_id, name, key_hash, enrolled_at, liveness_since)
     select node, name, $3, now(), now() from unnest($1::text[], $2::text[]) as t (node, name)`,
    [rows.nodes, rows.names, keyHash],
  );
  await database.query(
    `insert into node_certificate (serial, node_id, issued_at, expires_at)
     select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])`,
    [rows.serials, rows.nodes, rows.issued, rows.expires],
  );
  await database.end();
  return { agents, authority };
}

async function requestFor({ privateKey, publicKey }) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const { subtle } = webcrypto;
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=bench",
    keys: {
      privateKey: await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
      publicKey: await subtle.importKey("spki", spki, algorithm, true, ["verify"]),
    },
    signingAlgorithm: algorithm,
  });
  return new Uint8Array(request.rawData);
}

/** An identity for the bare server, of the same house. */
export async function serverIdentity(authority, file) {
  const { chainPem, keyPem } = await authority.issueForServer([]);
  writeFileSync(file, JSON.stringify({ ca: authority.certificatePem, key: keyPem, certificate: chainPem }), {
    mode: 0o600,
  });
}
