import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import { OpsError } from "../kernel/errors.js";
import { silentLogger } from "../platform/logger.js";
import { fakeSystem } from "../platform/testing/fake-system.js";
import { type Transit, type TransitCalls, vaultTransit } from "../platform/vault/transit.js";
import { orderKeyOf, type PublicOrderKey } from "./order-signer.js";
import { TransitSigner } from "./transit-signer.js";

const BYTES = new TextEncoder().encode("an order");
const KEY = "orders";

/** The engine's answers, as its documentation has them. */
function engine() {
  const versions: ReturnType<typeof pair>[] = [];
  let firstUsable = 1;
  let type: string | undefined;
  const calls: TransitCalls = {
    read: async () => {
      if (type === undefined) return undefined;
      const usable = versions.map((key, index): [number, { public_key: string }] => [index + 1, key]);
      const keys = usable
        .filter(([version]) => version >= firstUsable)
        .map(([version, { public_key }]) => [version, { public_key }]);
      return { data: { type, keys: Object.fromEntries(keys) } };
    },
    write: async (_, path, body) => {
      if (path === `transit/keys/${KEY}`) {
        if (type === undefined) versions.push(pair());
        type ??= String(body["type"]);
        return undefined;
      }
      const version = Number(body["key_version"]);
      const key = versions[version - 1];
      if (key === undefined || version < firstUsable) throw new OpsError("UNAVAILABLE", "status 400");
      const signature = sign(null, Buffer.from(String(body["input"]), "base64"), key.privateKey);
      return { data: { signature: `vault:v${version}:${signature.toString("base64")}` } };
    },
  };
  return {
    transit: vaultTransit(calls, "transit"),
    rotate: () => void versions.push(pair()),
    putAwayBefore: (version: number) => {
      firstUsable = version;
    },
    ofType: (other: string) => {
      type = other;
    },
  };
}

function pair() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  return { privateKey, public_key: raw.toString("base64") };
}

const open = (transit: Transit, former?: PublicOrderKey) =>
  TransitSigner.open({
    ...{ transit, key: KEY, former, clock: fakeSystem(0).clock, logger: silentLogger },
  });

/** Whether an agent that pinned these keys takes the order. */
function takes(
  pinned: readonly PublicOrderKey[],
  { keyId, signature }: Awaited<ReturnType<TransitSigner["sign"]>>,
) {
  const known = pinned.find((key) => key.keyId === keyId);
  if (known === undefined) return false;
  const key = createPublicKey({ key: Buffer.from(known.publicKey), format: "der", type: "spki" });
  return verify(null, BYTES, key, signature);
}

test("the key is made at the first start, and is the same for all replicas", async () => {
  const { transit } = engine();
  const [one, two] = [await open(transit), await open(transit)];
  expect(one.publicKeys()).toHaveLength(1);
  expect(takes(one.publicKeys(), await two.sign(BYTES))).toBe(true);
  expect(takes([], await two.sign(BYTES))).toBe(false);
});

test("after a rotation an agent of an older stream takes its orders, and a newer one's are signed with the new version", async () => {
  const { transit, rotate } = engine();
  const signer = await open(transit);
  const older = { pinned: signer.publicKeys(), keyId: signer.keyId };
  rotate();
  // Nothing is signed with what no agent was offered.
  expect(takes(older.pinned, await signer.sign(BYTES, older.keyId))).toBe(true);
  await signer.look();
  expect(takes(older.pinned, await signer.sign(BYTES, older.keyId))).toBe(true);
  expect(signer.keyId).not.toBe(older.keyId);
  const newer = signer.publicKeys();
  // What was pinned is among what is offered, or the agent would refuse it all.
  expect(newer.map(({ keyId }) => keyId)).toEqual([signer.keyId, older.keyId]);
  const signed = await signer.sign(BYTES, signer.keyId);
  expect(takes(newer, signed)).toBe(true);
  expect(takes(older.pinned, signed)).toBe(false);
});

test("a version that was put away signs no more, and is offered no more", async () => {
  const { transit, rotate, putAwayBefore } = engine();
  const signer = await open(transit);
  const { keyId } = signer;
  rotate();
  putAwayBefore(2);
  await expect(signer.sign(BYTES, keyId)).rejects.toThrow("400");
  await signer.look();
  expect(takes(signer.publicKeys(), await signer.sign(BYTES, keyId))).toBe(true);
  expect(signer.publicKeys().map((key) => key.keyId)).not.toContain(keyId);
});

test("the key of the time before is offered beside, so that agents that pinned it go over, and signs nothing", async () => {
  const former = orderKeyOf(
    new Uint8Array(generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" })),
  );
  const signer = await open(engine().transit, former);
  expect(signer.publicKeys()).toContainEqual(former);
  expect((await signer.sign(BYTES, former.keyId)).keyId).toBe(signer.keyId);
});

test("of many versions the newest sixteen are offered", async () => {
  const { transit, rotate } = engine();
  const signer = await open(transit);
  for (let i = 0; i < 20; i++) rotate();
  await signer.look();
  const offered = signer.publicKeys();
  expect(offered).toHaveLength(16);
  expect(offered[0]?.keyId).toBe(signer.keyId);
});

test("a key of another kind, and what is no answer, are refused", async () => {
  const rsa = engine();
  rsa.ofType("rsa-2048");
  await expect(open(rsa.transit)).rejects.toThrow('transit key "orders" is rsa-2048, expected ed25519');
  const odd = vaultTransit({ read: async () => ({ data: {} }), write: async () => undefined }, "transit");
  await expect(open(odd)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
