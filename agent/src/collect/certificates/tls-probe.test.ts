import type { AddressInfo } from "node:net";
import { createServer as createPlainServer, type Server as PlainServer, type Socket } from "node:net";
import { createServer, type Server, type TlsOptions } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { TlsEndpoint } from "../collect-settings.js";
import type { CollectClock } from "../ports.js";
import type { FoundCertificate } from "../reading.js";
import { type Issued, issue } from "../testing/authority.js";
import { FixtureHost } from "../testing/fixture-host.js";
import { valuesOf } from "../testing/read-out.js";
import { CertificateGroup } from "./certificate-group.js";
import { TlsProber, targetOf } from "./tls-probe.js";

const clock: CollectClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};
const NOW = Math.floor(Date.now() / 1_000) * 1_000;
const DAY_MS = 86_400_000;
const names = [
  { type: "dns" as const, value: "shop.example" },
  { type: "ip" as const, value: "127.0.0.1" },
];

let host: FixtureHost;
let caFile = "";
let root: Issued;
let middle: Issued;
let leaf: Issued;
const open: (Server | PlainServer)[] = [];
const sockets = new Set<Socket>();

beforeAll(async () => {
  host = new FixtureHost();
  root = await issue({ subject: "CN=Root", now: NOW, untilDays: 100, authority: true });
  middle = await issue({ subject: "CN=Middle", now: NOW, untilDays: 10, authority: true }, root);
  leaf = await issue({ subject: "CN=shop.example", now: NOW, untilDays: 20, names }, middle);
  caFile = host.write("ca.pem", root.certificatePem);
});
afterAll(() => host.remove());
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(open.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(server: Server | PlainServer): Promise<number> {
  open.push(server);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function serving(issued: Issued, chain = "", options: TlsOptions = {}): Promise<TlsEndpoint> {
  const server = createServer({ cert: issued.certificatePem + chain, key: issued.keyPem, ...options });
  server.on("tlsClientError", () => {});
  return { host: "127.0.0.1", port: await listen(server), serverName: "shop.example", caFile };
}

function probe(endpoint: TlsEndpoint, timeoutMs = 3_000) {
  return new TlsProber(clock, timeoutMs).probe(endpoint);
}

test("a good endpoint: the whole chain, no error", async () => {
  const result = await probe(await serving(leaf, middle.certificatePem));
  expect(result.success).toBe(true);
  expect(result.certificates.map(({ subject, verificationError }) => [subject, verificationError])).toEqual([
    ["CN=shop.example", ""],
    ["CN=Middle", ""],
    ["CN=Root", ""],
  ]);
  expect(result.certificates[0]?.names).toEqual(["shop.example", "127.0.0.1"]);
  expect(result.seconds).toBeGreaterThan(0);
});

test("the asked name goes along: the server answers with that name's certificate", async () => {
  const asked: string[] = [];
  const endpoint = await serving(leaf, middle.certificatePem, {
    SNICallback: (name, done) => {
      asked.push(name);
      done(null);
    },
  });
  await probe(endpoint);
  await probe({ ...endpoint, serverName: "127.0.0.1" });
  expect(asked).toEqual(["shop.example"]);
});

test("what is wrong is said in words, the certificates are there all the same", async () => {
  const expired = await issue(
    { subject: "CN=shop.example", now: NOW, fromDays: -30, untilDays: -1, names },
    root,
  );
  const early = await issue({ subject: "CN=shop.example", now: NOW, fromDays: 5, names }, root);
  const alone = await issue({ subject: "CN=shop.example", now: NOW, names });
  const good = await serving(leaf, middle.certificatePem);
  const cases: [TlsEndpoint, RegExp][] = [
    [await serving(expired), /^a certificate of the chain has expired \(CERT_HAS_EXPIRED\)$/u],
    [await serving(early), /^a certificate of the chain is not valid yet/u],
    [await serving(alone), /^the certificate is signed by itself/u],
    [await serving(leaf), /^the issuer of the certificate is not sent and not trusted/u],
    [{ ...good, serverName: "other.example" }, /^it is not for other\.example: .*shop\.example/u],
    [
      { ...good, caFile: undefined },
      /^(?:the chain does not lead to a trusted root|the issuer of the certificate)/u,
    ],
    [
      { ...(await serving(expired)), serverName: "other.example" },
      /CERT_HAS_EXPIRED\); it is not for other\.example/u,
    ],
  ];
  for (const [endpoint, sentence] of cases) {
    const result = await probe(endpoint);
    expect(result.certificates[0]?.verificationError).toMatch(sentence);
    expect(result.certificates[0]?.subject).toBe("CN=shop.example");
    expect({ success: result.success, failed: result.failed }).toEqual({ success: false, failed: false });
  }
});

test("an endpoint of mutual TLS shows its certificate to one that has none", async () => {
  const endpoint = await serving(leaf, middle.certificatePem, {
    requestCert: true,
    rejectUnauthorized: true,
  });
  expect((await probe(endpoint)).certificates[0]?.subject).toBe("CN=shop.example");
});

test("an endpoint that speaks TLS 1.0 alone is reported, not missed", async () => {
  const endpoint = await serving(leaf, middle.certificatePem, {
    minVersion: "TLSv1",
    maxVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
  });
  expect((await probe(endpoint)).success).toBe(true);
});

test("nobody there, no TLS, silence, hanging up: a reason each", async () => {
  const at = (port: number): TlsEndpoint => ({ host: "127.0.0.1", port, serverName: "x", caFile: undefined });
  const closed = createPlainServer();
  const port = await listen(closed);
  await new Promise((resolve) => open.splice(0)[0]?.close(resolve));
  const plain = await listen(createPlainServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
  const silent = await listen(createPlainServer(() => {}));
  const rude = await listen(createPlainServer((socket) => socket.destroy()));
  const reasons = await Promise.all(
    [port, plain, silent, rude].map(async (one) => (await probe(at(one), 300)).certificates[0]?.readError),
  );
  expect(reasons[0]).toContain("ECONNREFUSED");
  expect(reasons[1]).toMatch(/wrong version number|packet length/u);
  expect(reasons[2]).toBe("no TLS handshake within 300 ms");
  expect(reasons[3]).toMatch(/disconnected before secure TLS|ECONNRESET|closed before the handshake/u);
});

test("a caFile that is not there is a reason, and is looked for again", async () => {
  const endpoint = { ...(await serving(leaf, middle.certificatePem)), caFile: `${host.root}/later.pem` };
  const prober = new TlsProber(clock, 3_000);
  expect((await prober.probe(endpoint)).certificates[0]?.readError).toContain("ENOENT");
  host.write("later.pem", root.certificatePem);
  expect((await prober.probe(endpoint)).success).toBe(true);
  // And the authorities as they are then.
  host.write("later.pem", (await issue({ subject: "CN=Another", now: NOW, authority: true })).certificatePem);
  expect((await prober.probe(endpoint)).success).toBe(false);
});

test("the group: blackbox_exporter's names, one target a file or endpoint, all of it in the inventory", async () => {
  const good = await serving(leaf, middle.certificatePem);
  const expired = await issue(
    { subject: "CN=old.example", now: NOW, fromDays: -30, untilDays: -1, names },
    root,
  );
  const bad = await serving(expired);
  const file = host.write("group/cert.pem", leaf.certificatePem);
  const inventories: (readonly FoundCertificate[])[] = [];
  const group = new CertificateGroup(
    {
      intervalMs: 60_000,
      timeoutMs: 3_000,
      files: [{ glob: `${host.root}/group/*.pem`, passwordFile: undefined }],
      endpoints: [good, bad, good],
    },
    { files: [`${host.root}/own.pem`], endpoints: [] },
    { instance: "n1", job: "node" },
    clock,
    (found) => inventories.push(found),
  );
  const values = valuesOf(await group.read(1));
  const of = (name: string, target: string) =>
    values.get(`${name}{instance="n1",job="certificates",target="${target}"}`);
  expect(of("probe_success", targetOf(good))).toBe("1");
  expect(of("probe_ssl_earliest_cert_expiry", targetOf(good))).toBe(String((NOW + 10 * DAY_MS) / 1_000));
  expect(of("probe_ssl_last_chain_expiry_timestamp_seconds", targetOf(good))).toBe(
    String((NOW + 10 * DAY_MS) / 1_000),
  );
  expect(Number(of("probe_duration_seconds", targetOf(good)))).toBeGreaterThan(0);
  expect(of("probe_success", targetOf(bad))).toBe("0");
  expect(of("probe_ssl_earliest_cert_expiry", targetOf(bad))).toBe(String((NOW - DAY_MS) / 1_000));
  expect(of("probe_ssl_last_chain_expiry_timestamp_seconds", targetOf(bad))).toBeUndefined();
  expect(of("probe_success", `file:${file}`)).toBe("1");
  expect(of("probe_ssl_earliest_cert_expiry", `file:${file}`)).toBe(String((NOW + 20 * DAY_MS) / 1_000));
  expect(of("probe_success", `file:${host.root}/own.pem`)).toBe("0");
  expect(values.size).toBe(4 + 3 + 2 + 1);
  expect(inventories.map((found) => found.map(({ source }) => source))).toEqual([
    [
      `file:${host.root}/own.pem`,
      `file:${file}`,
      ...Array.from({ length: 3 }, () => targetOf(good)),
      ...Array.from({ length: 2 }, () => targetOf(bad)),
    ],
  ]);
});

test.each([
  { host: "a.example", port: 443, serverName: "a.example", is: "tls://a.example:443" },
  { host: "10.0.0.1", port: 8443, serverName: "a.example", is: "tls://10.0.0.1:8443/a.example" },
  { host: "::1", port: 443, serverName: "::1", is: "tls://[::1]:443" },
])("the target is $is", ({ is, ...endpoint }) => {
  expect(targetOf({ ...endpoint, caFile: undefined })).toBe(is);
});
