import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PKCS12_FIXTURES } from "../testing/pkcs12-fixtures.js";
import { childrenOf, DerFault, octets, oidText, readDer } from "./der.js";
import { looksLikePkcs12, openPkcs12 } from "./pkcs12.js";
import { decryptRc2Cbc } from "./rc2.js";

const FINGERPRINT = "b5433eb255018a0b63b6f8a5549251715a4ad596dda614fe1eeaf03d9d07815b";

function bytesOf(file: string): Buffer {
  return Buffer.from(file, "base64");
}

test.each(PKCS12_FIXTURES)("a file $what gives its certificates, leaf first", async ({ file, password }) => {
  const bytes = bytesOf(file);
  expect(looksLikePkcs12(bytes)).toBe(true);
  const opened = await openPkcs12(bytes, password);
  const found =
    opened.kind === "opened" ? opened.certificates.map((der) => new X509Certificate(der)) : opened.because;
  if (typeof found === "string") throw new Error(found);
  expect(found.map(({ subject }) => subject)).toEqual(["CN=shop.example", "O=Fixture\nCN=Fixture Root"]);
  expect(found[0]?.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(FINGERPRINT);
});

test.each(PKCS12_FIXTURES.filter(({ what }) => !what.includes("no MAC")))(
  "a wrong password is told as that: $what",
  async ({ file }) => {
    const opened = await openPkcs12(bytesOf(file), "guess");
    expect(opened).toEqual({ kind: "failed", because: "the password does not fit (PKCS#12)" });
  },
);

test("iterations that would hold the agent up for minutes are refused, not begun", async () => {
  const bytes = Buffer.from(bytesOf(PKCS12_FIXTURES[1]?.file ?? ""));
  // The MAC's iterations stand at the end: INTEGER of two bytes, 2,048. Three bytes would move lengths; 0xffff is in bounds
  // of the format and below ours, so the bound itself is asked with a made-up MAC.
  const marker = Buffer.from([0x02, 0x02, 0x08, 0x00]);
  const at = bytes.lastIndexOf(marker);
  expect(at).toBeGreaterThan(0);
  bytes.writeUInt16BE(0, at + 2);
  expect(await openPkcs12(bytes, "fixture")).toEqual({
    kind: "failed",
    because: "PKCS#12: 0 iterations, expected 1 to 100000",
  });
});

test("whatever bytes come, there is an answer", async () => {
  const whole = bytesOf(PKCS12_FIXTURES[2]?.file ?? "");
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.nat(whole.length).map((length) => whole.subarray(0, length)),
        fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
          const changed = Buffer.from(whole);
          changed[at] = byte;
          return changed;
        }),
      ),
      async (bytes) => {
        expect(["opened", "failed"]).toContain((await openPkcs12(bytes, "fixture")).kind);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

test("DER of any bytes is an element inside them or a fault", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (array) => {
      const bytes = Buffer.from(array);
      try {
        const node = readDer(bytes);
        expect(node.whole.length).toBeLessThanOrEqual(bytes.length);
        expect(node.content.length).toBeLessThan(node.whole.length);
      } catch (error) {
        expect(error).toBeInstanceOf(DerFault);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("elements without a length end at their end mark; nested too deep they are a fault", () => {
  const pieces = readDer(Buffer.from("2480040201020402030400009999", "hex"));
  expect(octets(pieces).toString("hex")).toBe("01020304");
  expect(pieces.whole).toHaveLength(12);
  expect(childrenOf(pieces)).toHaveLength(2);
  expect(() => readDer(Buffer.from("3080".repeat(100), "hex"))).toThrow("nested deeper than 32");
  expect(() => readDer(Buffer.from("30800401", "hex"))).toThrow(DerFault);
});

test("object identifiers", () => {
  expect(oidText(readDer(Buffer.from("06092a864886f70d010701", "hex")))).toBe("1.2.840.113549.1.7.1");
  expect(oidText(readDer(Buffer.from("0603883703", "hex")))).toBe("2.999.3");
});

test("RC2: a text of half blocks or with wrong padding is none", () => {
  const key = Buffer.alloc(5, 1);
  expect(decryptRc2Cbc(key, 40, Buffer.alloc(8), Buffer.alloc(7))).toBeUndefined();
  expect(decryptRc2Cbc(key, 40, Buffer.alloc(8), Buffer.alloc(0))).toBeUndefined();
  expect(decryptRc2Cbc(key, 40, Buffer.alloc(8), Buffer.alloc(8))).toBeUndefined();
});
