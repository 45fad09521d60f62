import { createPublicKey, X509Certificate as NodeCertificate, verify, webcrypto } from "node:crypto";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import { nodeId } from "../kernel/ids.js";
import { DAY, HOUR, MINUTE } from "../kernel/time.js";
import { silentLogger } from "../platform/logger.js";
import { systemDraws } from "../platform/system.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { CertificateAuthority } from "./ca.js";
import { fileKeyStore, type KeyStore, vaultKeyStore } from "./key-store.js";
import { OrderSigner } from "./order-signer.js";
import { ServerCertificates } from "./server-certificate.js";

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const NODE = nodeId("01890000-0000-7000-8000-000000000001");
const START = Date.UTC(2026, 10, 22);

let directory: string;
const fake = fakeSystem(START);
const system = { clock: fake.clock, draws: systemDraws };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mainstay-ca-"));
  fake.clock.set(START);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (store: KeyStore = fileKeyStore(directory, systemDraws)): Promise<CertificateAuthority> =>
  CertificateAuthority.open({ store, system, clientLifetime: 24 * HOUR });

async function request(algorithm: object, name = "CN=someone-else"): Promise<Uint8Array> {
  const keys = (await webcrypto.subtle.generateKey(algorithm as typeof P256, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm as typeof P256,
  });
  return new Uint8Array(csr.rawData);
}

describe("the certificate authority", () => {
  test("is made once, kept in a file that only its owner reads, and opened again", async () => {
    const first = await open();
    const again = await open();
    expect(again.certificatePem).toBe(first.certificatePem);
    expect(first.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect((await stat(join(directory, "ca.key"))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["ca.key"]);
    const certificate = new NodeCertificate(first.certificatePem);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(first.expiresAt - START).toBe(3_650 * DAY);
  });

  test("is the same for two replicas that open it at once, in files and in Vault", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    expect(a.certificatePem).toBe(b.certificatePem);

    const secrets = fakeSecrets();
    const [c, d] = await Promise.all([open(vaultKeyStore(secrets)), open(vaultKeyStore(secrets))]);
    expect(c.certificatePem).toBe(d.certificatePem);
    expect([...secrets.kept.keys()]).toEqual(["mainstay/ca"]);
  });

  test("says where it is when what is kept cannot be read", async () => {
    await writeFile(join(directory, "ca.key"), "rubbish");
    await expect(open()).rejects.toThrow(`kept in ${directory} cannot be read`);
  });

  test("issues a client certificate that names the node and takes only the key from the request", async () => {
    const authority = await open();
    const issued = await authority.issueForNode(await request(P256), NODE);
    const leaf = new NodeCertificate(issued.chainPem);
    expect(leaf.subject).toBe(`CN=${NODE}`);
    expect(leaf.subjectAltName).toBe(`URI:mainstay://node/${NODE}`);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(leaf.ca).toBe(false);
    expect(leaf.serialNumber.toLowerCase()).toBe(issued.serial);
    expect(leaf.checkIssued(new NodeCertificate(authority.certificatePem))).toBe(true);
    expect(leaf.verify(new NodeCertificate(authority.certificatePem).publicKey)).toBe(true);
    expect(Date.parse(leaf.validTo)).toBe(START + 24 * HOUR);
    expect(Date.parse(leaf.validFrom)).toBe(START - 5 * MINUTE);
    expect(issued.expiresAt).toBe(START + 24 * HOUR);
    expect(issued.chainPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  test("a named node's certificate counts for a server of that name too, and of no other", async () => {
    const issued = await (await open()).issueForNode(await request(P256), NODE, "db-1");
    const leaf = new NodeCertificate(issued.chainPem);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"]);
    expect(leaf.checkHost("db-1.node.mainstay")).toBe("db-1.node.mainstay");
    for (const name of ["control-plane.mainstay", "localhost", "db-1", "db-2.node.mainstay"]) {
      expect(leaf.checkHost(name)).toBeUndefined();
    }
  });

  test("never issues past its own end", async () => {
    const authority = await open();
    fake.clock.set(authority.expiresAt - HOUR);
    const issued = await authority.issueForNode(await request(P256), NODE);
    expect(issued.expiresAt).toBe(authority.expiresAt);
  });

  test("issues a server certificate for its names and addresses", async () => {
    const issued = await (await open()).issueForServer(["ops.example.com", "10.1.2.3"]);
    const leaf = new NodeCertificate(issued.chainPem);
    for (const name of ["control-plane.mainstay", "localhost", "ops.example.com"]) {
      expect(leaf.checkHost(name)).toBe(name);
    }
    for (const address of ["127.0.0.1", "10.1.2.3"]) expect(leaf.checkIP(address)).toBe(address);
    expect(leaf.checkHost("elsewhere.example.com")).toBeUndefined();
  });
});

describe("a certificate request", () => {
  test.each([
    { of: "P-256", algorithm: P256 },
    { of: "Ed25519", algorithm: { name: "Ed25519" } },
    {
      of: "RSA 2048",
      algorithm: {
        name: "RSASSA-PKCS1-v1_5",
        hash: "SHA-256",
        modulusLength: 2_048,
        publicExponent: new Uint8Array([1, 0, 1]),
      },
    },
  ])("with a key of $of is taken", async ({ algorithm }) => {
    const authority = await open();
    const csr = await request(algorithm);
    expect((await authority.inspect(csr)).keyHash).toMatch(/^[0-9a-f]{64}$/);
    await expect(authority.issueForNode(csr, NODE)).resolves.toMatchObject({ issuedAt: START });
  });

  const tampered = async (): Promise<Uint8Array> => {
    const csr = await request(P256);
    const at = csr.length - 1;
    csr[at] = (csr[at] ?? 0) ^ 1;
    return csr;
  };
  test.each([
    { which: "that is empty", make: async () => new Uint8Array(), because: "csr is 0 bytes" },
    { which: "of a megabyte", make: async () => new Uint8Array(1 << 20), because: "csr is 1048576 bytes" },
    { which: "of noise", make: async () => new Uint8Array(300).fill(7), because: "not a PKCS#10 request" },
    { which: "whose signature was changed", make: tampered, because: "the signature of csr does not fit" },
    {
      which: "with a key on P-384",
      make: () => request({ name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" }),
      because: "EC key on secp384r1, expected P-256",
    },
    {
      which: "with RSA of 1024 bits",
      make: () =>
        request({
          name: "RSASSA-PKCS1-v1_5",
          hash: "SHA-256",
          modulusLength: 1_024,
          publicExponent: new Uint8Array([1, 0, 1]),
        }),
      because: "RSA key of 1024 bits, expected 2048 to 4096",
    },
  ])("$which is refused", async ({ make, because }) => {
    const authority = await open();
    const csr = await make();
    await expect(authority.issueForNode(csr, NODE)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(authority.inspect(csr)).rejects.toThrow(because);
  });
});

describe("the order signer", () => {
  test("signs so that the public key it gives verifies, and keeps its key", async () => {
    const store = fileKeyStore(directory, systemDraws);
    const signer = await OrderSigner.open(store);
    const again = await OrderSigner.open(store);
    const bytes = new TextEncoder().encode("an order");
    const { keyId, signature } = signer.sign(bytes);
    expect(keyId).toBe(signer.keyId);
    const [known] = again.publicKeys();
    if (known === undefined) throw new Error("no key");
    expect(known.keyId).toBe(keyId);
    const key = createPublicKey({ key: Buffer.from(known.publicKey), format: "der", type: "spki" });
    expect(verify(null, bytes, key, signature)).toBe(true);
    expect(verify(null, new TextEncoder().encode("another"), key, signature)).toBe(false);
  });
});

describe("the server certificate", () => {
  test("is made anew at two thirds of its life, and the doors are told", async () => {
    const certificates = await ServerCertificates.open({
      authority: await open(),
      names: [],
      clock: fake.clock,
      logger: silentLogger,
    });
    const told: string[] = [];
    certificates.onRenewed((certificate) => told.push(certificate.serial));
    const first = certificates.current();
    fake.clock.set(START + 59 * DAY);
    await certificates.renewWhenDue();
    expect(certificates.current()).toBe(first);
    fake.clock.set(START + 60 * DAY);
    await certificates.renewWhenDue();
    expect(certificates.current().serial).not.toBe(first.serial);
    expect(told).toEqual([certificates.current().serial]);
  });
});

function fakeSecrets() {
  const kept = new Map<string, Readonly<Record<string, string>>>();
  return {
    kept,
    read: async (path: string) => kept.get(path),
    create: async (path: string, fields: Readonly<Record<string, string>>) => {
      if (kept.has(path)) throw new OpsError("ABORTED", "there is one");
      kept.set(path, fields);
    },
  };
}
