import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cleanDescription, cleanInventory, type Inventory } from "./inventory.js";

const NOW = 1_700_000_000_000;
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\u0000", "\u202e", "\ud800", "\u001b[2J"),
);
const instant = fc.oneof(fc.double(), fc.constant(Number.NaN), fc.constant(undefined));
const inventories: fc.Arbitrary<Inventory> = fc.record({
  hash: text,
  takenAt: fc.double(),
  certificates: fc.array(
    fc.record({
      source: text,
      subject: text,
      issuer: text,
      names: fc.array(text),
      serial: text,
      fingerprint: text,
      notBefore: instant,
      notAfter: instant,
      chainIndex: fc.nat(4_294_967_295),
      verificationError: text,
      readError: text,
    }),
  ),
  services: fc.array(fc.record({ name: text, activeState: text, subState: text })),
  processes: fc.array(
    fc.record({
      pid: fc.nat(),
      name: text,
      cpuRatio: fc.double(),
      residentBytes: fc.double({ min: 0 }),
      user: text,
    }),
  ),
});

describe("cleanInventory", () => {
  test("leaves nothing that PostgreSQL, JSON or a terminal would choke on, and is done after once", () => {
    fc.assert(
      fc.property(inventories, (found) => {
        const clean = cleanInventory(found, NOW);
        expect(JSON.stringify(clean)).not.toMatch(/\\u0000|[\p{Cc}\u202e]/u);
        expect(clean.takenAt).toBeLessThanOrEqual(NOW);
        for (const { notAfter, notBefore, chainIndex } of clean.certificates) {
          for (const at of [notAfter, notBefore]) {
            if (at !== undefined) expect(() => new Date(at).toISOString()).not.toThrow();
          }
          expect(chainIndex).toBeLessThanOrEqual(2_147_483_647);
        }
        for (const { cpuRatio } of clean.processes) expect(Number.isFinite(cpuRatio)).toBe(true);
        expect(cleanInventory(clean, NOW)).toEqual(clean);
      }),
    );
  });

  test("bounds what it keeps", () => {
    const many = <T>(n: number, item: T): T[] => Array.from({ length: n }, () => item);
    const certificate = {
      source: "x".repeat(10_000),
      subject: "",
      issuer: "",
      names: many(500, "n"),
      serial: "",
      fingerprint: "",
      notBefore: undefined,
      notAfter: 1e18,
      chainIndex: 0,
      verificationError: "",
      readError: "",
    };
    const clean = cleanInventory(
      {
        hash: "",
        takenAt: 0,
        certificates: many(1_500, certificate),
        services: many(1_500, { name: "s", activeState: "", subState: "" }),
        processes: many(150, { pid: 1, name: "p", cpuRatio: 0, residentBytes: 0, user: "" }),
      },
      NOW,
    );
    expect(clean.certificates).toHaveLength(1_000);
    expect(clean.services).toHaveLength(1_000);
    expect(clean.processes).toHaveLength(100);
    expect(clean.certificates[0]?.source).toHaveLength(512);
    expect(clean.certificates[0]?.names).toHaveLength(100);
    expect(clean.certificates[0]?.notAfter).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
  });
});

describe("cleanDescription", () => {
  test("keeps labels of Prometheus' form only, at most 32, and cleans the rest", () => {
    const labels = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`l${n}`, "v"]));
    const clean = cleanDescription({
      agentVersion: "1\u0000",
      hostname: "h".repeat(300),
      os: "",
      machineId: "",
      bootId: "",
      labels: { "not one": "x", role: "d\u001bb", ...labels },
      actions: Array.from({ length: 100 }, () => "a"),
      policyHash: "",
    });
    expect(clean.agentVersion).toBe("1 ");
    expect(clean.hostname).toHaveLength(253);
    expect(clean.labels["role"]).toBe("d b");
    expect(clean.labels["not one"]).toBeUndefined();
    expect(Object.keys(clean.labels)).toHaveLength(31);
    expect(clean.actions).toHaveLength(64);
  });
});
