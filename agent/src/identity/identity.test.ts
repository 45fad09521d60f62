import { generateKeyPairSync, webcrypto } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { afterAll, describe, expect, test } from "vitest";
import { FakeAuthority } from "../testing/fake-authority.js";
import { certificateRequest, newPrivateKeyPem, publicKeyOf } from "./certificate-request.js";
import {
  adoptOrderKeys,
  faultOfIdentity,
  type Identity,
  lifetimeOf,
  loadIdentity,
  type PinnedKey,
  saveIdentity,
} from "./identity.js";
import { parseJoinToken } from "./join-token.js";
import { judgeCertificate } from "./renewal.js";
import { lockState } from "./state-lock.js";

x509.cryptoProvider.set(webcrypto);
const directory = mkdtempSync(join(tmpdir(), "mainstay-identity-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("a certificate request made by hand", () => {
  test.each([{ name: "a" }, { name: "web-1" }, { name: "ä".repeat(30) }, { name: "x".repeat(200) }])(
    "a library reads it: name $name",
    async ({ name }) => {
      const key = newPrivateKeyPem();
      const request = new x509.Pkcs10CertificateRequest(certificateRequest(key, name));
      expect(await request.verify()).toBe(true);
      expect(request.subjectName.getField("CN")).toEqual([name.slice(0, 64)]);
      expect(Buffer.from(request.publicKey.rawData)).toEqual(publicKeyOf(key));
    },
  );
});

describe("join tokens", () => {
  const hash = "0123456789abcdef".repeat(4);
  test.each([
    { what: "a whole one", text: `mjt_k1_${"s".repeat(43)}_${hash}`, id: "k1" },
    { what: "one whose secret has underscores", text: `mjt_k1_${"_s-".repeat(10)}_${hash}\n`, id: "k1" },
    { what: "one with a short secret", text: `mjt_k1_short_${hash}`, id: undefined },
    {
      what: "one with a hash in capitals",
      text: `mjt_k1_${"s".repeat(43)}_${hash.toUpperCase()}`,
      id: undefined,
    },
    { what: "nothing", text: "", id: undefined },
  ])("$what", ({ text, id }) => {
    const token = parseJoinToken(text);
    expect(token?.id).toBe(id);
    if (id !== undefined) expect(token?.authorityHash).toBe(hash);
  });
});

describe("a certificate's age", () => {
  const life = { notBefore: 0, notAfter: 3000 };
  test.each([
    { now: 1999, kind: "fresh" },
    { now: 2000, kind: "renew" },
    { now: 2999, kind: "renew" },
    { now: 3000, kind: "expired" },
  ])("at $now of 3000 it is $kind", ({ now, kind }) => {
    expect(judgeCertificate(life, now).kind).toBe(kind);
  });
});

describe("order keys", () => {
  const key = (keyId: string): PinnedKey => ({
    keyId,
    spki: generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" }).toString("base64"),
  });
  const [a, b, c] = [key("a"), key("b"), key("c")];
  const notEd25519 = { keyId: "p", spki: publicKeyOf(newPrivateKeyPem()).toString("base64") };
  test.each([
    { what: "the same", pinned: [a, b], offered: [b, a], kind: "same" },
    { what: "none", pinned: [a], offered: [], kind: "same" },
    { what: "a new one beside a known one", pinned: [a], offered: [a, b], kind: "adopt" },
    { what: "one less", pinned: [a, b], offered: [b], kind: "adopt" },
    { what: "only unknown ones", pinned: [a], offered: [b, c], kind: "refuse" },
    { what: "another key under a known name", pinned: [a], offered: [{ ...b, keyId: "a" }], kind: "refuse" },
    { what: "one of another kind beside a known one", pinned: [a], offered: [a, notEd25519], kind: "same" },
  ])("offered $what: $kind", ({ pinned, offered, kind }) => {
    expect(adoptOrderKeys(pinned, offered).kind).toBe(kind);
  });
});

describe("a stored identity", () => {
  async function sound(): Promise<Identity> {
    const authority = await FakeAuthority.make();
    const privateKeyPem = newPrivateKeyPem();
    const certificatePem = await authority.issue(certificateRequest(privateKeyPem, "n"), "node-1", {
      fromMs: Date.now() - 1000,
      toMs: Date.now() + 60_000,
    });
    const { keyId, publicKey } = authority.orderKey;
    return {
      nodeId: "node-1",
      privateKeyPem,
      certificatePem,
      caPem: authority.pem,
      orderKeys: [{ keyId, spki: publicKey.toString("base64") }],
      receivedAt: Date.now(),
    };
  }

  test("is for this user only and comes back as it was", async () => {
    const path = join(directory, "identity.json");
    const identity = await sound();
    saveIdentity(path, identity);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(loadIdentity(path)).toEqual(identity);
    expect(faultOfIdentity(identity)).toBeUndefined();
  });

  test("its life begins when it came, however far its certificate was dated back", async () => {
    const identity = await sound();
    expect(lifetimeOf(identity).notBefore).toBe(identity.receivedAt);
    const before = { ...identity, receivedAt: 0 };
    expect(lifetimeOf(before).notBefore).toBeLessThan(identity.receivedAt);
    expect(lifetimeOf({ ...identity, receivedAt: Date.now() + 86_400_000 })).toEqual(lifetimeOf(before));
  });

  test.each([
    { what: "not JSON", text: "{" },
    { what: "a field short", text: '{"nodeId": "n"}' },
  ])("that is $what is named with its file", ({ text }) => {
    const path = join(directory, "broken.json");
    writeFileSync(path, text);
    expect(() => loadIdentity(path)).toThrow(path);
  });

  test("with a certificate for another key, of another authority or without order keys is not sound", async () => {
    const [one, other] = [await sound(), await sound()];
    expect(faultOfIdentity({ ...one, privateKeyPem: other.privateKeyPem })).toContain("another key");
    expect(faultOfIdentity({ ...one, caPem: other.caPem })).toContain("not signed by the authority");
    expect(faultOfIdentity({ ...one, orderKeys: [] })).toContain("no key for orders");
  });
});

describe("the lock of the state directory", () => {
  test("is taken once, given back, and taken over from the dead", async () => {
    const path = join(directory, "lock");
    const first = await lockState(path, process.pid);
    expect(first.kind).toBe("locked");
    // From another process's view the owner lives.
    expect(await lockState(path, process.ppid)).toEqual({ kind: "taken", byPid: process.pid });
    if (first.kind === "locked") first.release();
    writeFileSync(path, "999999999 1\n");
    expect((await lockState(path, process.pid)).kind).toBe("locked");
    // The number is in use again, by a process that started at another time.
    writeFileSync(path, `${process.ppid} 1\n`);
    expect((await lockState(path, process.pid)).kind).toBe("locked");
  });
});
