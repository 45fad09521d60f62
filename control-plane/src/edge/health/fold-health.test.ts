import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ComponentHealth, foldHealth, type HealthStatus, weigh, worse } from "./fold-health.js";

const part = (name: string, status: HealthStatus, vital: boolean): ComponentHealth => ({
  name,
  status,
  vital,
  because: `${name} is ${status}`,
  figures: {},
  seconds: 0,
});

const healthy = part("redis", "healthy", false);

describe("the worst wins", () => {
  test.each<{ when: string; parts: ComponentHealth[]; status: HealthStatus; because: string }>([
    { when: "there is no part", parts: [], status: "healthy", because: "all 0 parts are healthy" },
    {
      when: "all are healthy",
      parts: [healthy, healthy],
      status: "healthy",
      because: "all 2 parts are healthy",
    },
    {
      when: "the database is unhealthy",
      parts: [part("database", "unhealthy", true), healthy],
      status: "unhealthy",
      because: "database: database is unhealthy",
    },
    {
      when: "a later part is only degraded",
      parts: [part("database", "unhealthy", true), part("cpu", "degraded", false)],
      status: "unhealthy",
      because: "database: database is unhealthy",
    },
    {
      when: "an earlier part is only degraded",
      parts: [part("cpu", "degraded", false), part("database", "unhealthy", true)],
      status: "unhealthy",
      because: "database: database is unhealthy",
    },
    {
      when: "a part that is not vital is unhealthy",
      parts: [healthy, part("vault", "unhealthy", false)],
      status: "degraded",
      because: "vault: vault is unhealthy",
    },
    {
      when: "a vital part is degraded",
      parts: [part("disk", "degraded", true)],
      status: "degraded",
      because: "disk: disk is degraded",
    },
    {
      when: "two are degraded",
      parts: [part("disk", "degraded", true), healthy, part("vault", "unhealthy", false)],
      status: "degraded",
      because: "disk: disk is degraded; vault: vault is unhealthy",
    },
  ])("$status when $when", ({ parts, status, because }) => {
    expect(foldHealth(parts)).toEqual({ status, because });
  });

  const anyPart = fc
    .record({
      name: fc.string(),
      status: fc.constantFrom<HealthStatus>("healthy", "degraded", "unhealthy"),
      vital: fc.boolean(),
    })
    .map(({ name, status, vital }) => part(name, status, vital));

  test("in whatever order, and no part can make the whole better", () => {
    fc.assert(
      fc.property(fc.array(anyPart), anyPart, (parts, more) => {
        const { status } = foldHealth(parts);
        expect(foldHealth([...parts].reverse()).status).toBe(status);
        expect(foldHealth([...parts, more]).status).toBe(worse(status, weigh(more)));
        expect(worse(foldHealth([...parts, more]).status, status)).toBe(foldHealth([...parts, more]).status);
      }),
    );
  });
});
