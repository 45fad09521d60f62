import { execFileSync } from "node:child_process";
import { readFileSync, utimesSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Issued, issue } from "../testing/authority.js";
import { FixtureHost } from "../testing/fixture-host.js";
import { PKCS12_FIXTURES } from "../testing/pkcs12-fixtures.js";
import { CertificateFileSource } from "./certificate-files.js";
import { alternativeNames, earliestExpiryMs } from "./describe-certificate.js";
import { splitPem } from "./split-certificates.js";

const NOW = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

let host: FixtureHost;
let root: Issued;
let leaf: Issued;
beforeAll(async () => {
  host = new FixtureHost();
  root = await issue({ subject: "CN=Test Root", now: NOW, untilDays: 3_650, authority: true });
  const names = [
    { type: "dns" as const, value: "shop.example" },
    { type: "ip" as const, value: "10.0.0.1" },
  ];
  leaf = await issue({ subject: "CN=shop.example, O=Shop", now: NOW, untilDays: 20, names }, root);
});
afterAll(() => host.remove());

async function look(path: string, passwordFile?: string) {
  const source = new CertificateFileSource([{ glob: path, passwordFile }]);
  return source.look();
}

test("a PEM chain: every certificate with its place, the private key beside it passed over", async () => {
  const path = host.write("chain.pem", `junk\n${leaf.certificatePem}${leaf.keyPem}\n${root.certificatePem}`);
  const [file] = await look(path);
  expect(file?.failed).toBe(false);
  expect(file?.certificates.map(({ subject, chainIndex }) => [subject, chainIndex])).toEqual([
    ["CN=shop.example, O=Shop", 0],
    ["CN=Test Root", 1],
  ]);
  expect(file?.certificates[0]).toMatchObject({
    source: `file:${path}`,
    issuer: "CN=Test Root",
    names: ["shop.example", "10.0.0.1"],
    notBeforeMs: NOW - DAY_MS,
    notAfterMs: NOW + 20 * DAY_MS,
    verificationError: "",
    readError: "",
  });
  expect(file?.certificates[0]?.fingerprint).toMatch(/^[0-9a-f]{64}$/u);
});

test("DER and PKCS#12 are told by what stands in them", async () => {
  const der = host.write("leaf.txt", leaf.der);
  expect((await look(der))[0]?.certificates.map(({ subject }) => subject)).toEqual([
    "CN=shop.example, O=Shop",
  ]);
  const fixture = PKCS12_FIXTURES[0];
  const p12 = host.write("store.bin", Buffer.from(fixture?.file ?? "", "base64"));
  const password = host.write("password", "fixture\n");
  expect((await look(p12, password))[0]?.certificates.map(({ names }) => names[0])).toEqual([
    "shop.example",
    undefined,
  ]);
  expect((await look(p12))[0]?.certificates[0]?.readError).toBe("the password does not fit (PKCS#12)");
});

test.each([
  { what: "a named file that is not there", path: "missing.pem", text: undefined, because: "ENOENT" },
  {
    what: "a named file with a key alone",
    path: "key.pem",
    text: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    because: "PEM without a certificate",
  },
  { what: "an empty file", path: "empty.pem", text: "", because: "the file is empty" },
  { what: "something else", path: "text.pem", text: "hello", because: "neither PEM nor DER nor PKCS#12" },
  {
    what: "a certificate that is none",
    path: "bad.pem",
    text: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    because: "not a certificate",
  },
  {
    what: "a DER text that breaks off",
    path: "cut.der",
    text: Buffer.from([0x30, 0x82, 0x10, 0x00, 0x30]),
    because: "not a certificate",
  },
  {
    what: "a file over 1 MiB",
    path: "big.pem",
    text: "x".repeat(1_048_577),
    because: "1048577 bytes, expected at most 1048576",
  },
])("$what: $because", async ({ path, text, because }) => {
  const whole = text === undefined ? `${host.root}/${path}` : host.write(path, text);
  const [file] = await look(whole);
  expect(file?.failed).toBe(true);
  expect(file?.certificates).toHaveLength(1);
  expect(file?.certificates[0]?.readError).toContain(because);
  expect(file?.certificates[0]?.readError).not.toContain("PRIVATE");
});

test("a bundle of authorities is refused with a reason", async () => {
  const [file] = await look(host.write("bundle.pem", root.certificatePem.repeat(51)));
  expect(file?.certificates[0]?.readError).toContain("51 certificates, expected at most 50");
});

test("what a wildcard meets by the way, keys and pipes, is passed over", async () => {
  host.write("site/cert.pem", leaf.certificatePem);
  host.write("site/key.pem", leaf.keyPem);
  execFileSync("mkfifo", [`${host.root}/site/pipe.pem`]);
  const source = new CertificateFileSource([{ glob: `${host.root}/site/*.pem`, passwordFile: undefined }]);
  expect((await source.look()).map(({ path }) => path.slice(host.root.length))).toEqual(["/site/cert.pem"]);
});

test("a file is read again only when it changed", async () => {
  const path = host.write("kept.pem", leaf.certificatePem);
  const source = new CertificateFileSource([{ glob: path, passwordFile: undefined }]);
  const [first] = await source.look();
  expect((await source.look())[0]).toBe(first);
  host.write("kept.pem", root.certificatePem);
  const [second] = await source.look();
  expect(second?.certificates[0]?.subject).toBe("CN=Test Root");
  utimesSync(path, 1, 1);
  expect((await source.look())[0]).not.toBe(second);
  expect(readFileSync(path, "utf8")).toBe(root.certificatePem);
});

test("the earliest end is that of the leaf and its issuers; a root sent along does not count, a self-signed leaf does", async () => {
  const shortRoot = await issue({ subject: "CN=Short Root", now: NOW, untilDays: 5, authority: true });
  const [file] = await look(host.write("short.pem", leaf.certificatePem + shortRoot.certificatePem));
  expect(earliestExpiryMs(file?.certificates ?? [])).toBe(NOW + 20 * DAY_MS);
  const [alone] = await look(host.write("alone.pem", shortRoot.certificatePem));
  expect(earliestExpiryMs(alone?.certificates ?? [])).toBe(NOW + 5 * DAY_MS);
  expect(earliestExpiryMs([])).toBeUndefined();
});

test("hostile names are cleaned, cut and counted", async () => {
  const evil = await issue({
    subject: "CN=\u202eevil\u001b[31m",
    now: NOW,
    names: Array.from({ length: 150 }, (_, i) => ({ type: "dns" as const, value: `h${i}.example` })),
  });
  const [file] = await look(host.write("evil.pem", evil.certificatePem));
  const [certificate] = file?.certificates ?? [];
  expect(certificate?.subject).toMatch(/^[^\p{Cc}\p{Cf}]*evil[^\p{Cc}\p{Cf}]*$/u);
  expect(certificate?.names).toHaveLength(100);
});

test.each([
  { text: undefined, is: [] },
  {
    text: "DNS:a.example, IP Address:10.0.0.1, email:x@y.example",
    is: ["a.example", "10.0.0.1", "x@y.example"],
  },
  {
    text: 'DNS:"a.example, DNS:fake.example", DNS:b.example',
    is: ["a.example, DNS:fake.example", "b.example"],
  },
  { text: "DirName:/CN=x, DNS:b.example", is: ["b.example"] },
  { text: "othername:<unsupported>", is: [] },
])("names of $text", ({ text, is }) => {
  expect(alternativeNames(text)).toEqual(is);
});

test("PEM blocks: labels of OpenSSL's older days, text between, an end that is missing", () => {
  const [, body = ""] = /-----BEGIN CERTIFICATE-----([\s\S]*)-----END/u.exec(leaf.certificatePem) ?? [];
  const block = (label: string, extra = ""): string =>
    `-----BEGIN ${label}-----${body}${extra}-----END ${label}-----\n`;
  const trusted = Buffer.concat([leaf.der, Buffer.from([0x30, 0x00])]).toString("base64");
  const text = `${block("X509 CERTIFICATE")}CN=x\n-----BEGIN TRUSTED CERTIFICATE-----\n${trusted}\n-----END TRUSTED CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAAAA`;
  expect(splitPem(text).map((der) => der.equals(leaf.der))).toEqual([true, true]);
  const from = performance.now();
  splitPem("-----BEGIN CERTIFICATE-----".repeat(38_000));
  expect(performance.now() - from).toBeLessThan(500);
});
