import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { GetImpactResponseSchema } from "@mainstay/proto/gen/mainstay/operator/v1/topology_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeHouse } from "../testing/fake-house.js";

const CONFIG = join(import.meta.dirname, "../../../config");

let house: FakeHouse;
beforeAll(async () => {
  house = await FakeHouse.open();
});
afterAll(() => house.close());

describe("the policy on this machine", () => {
  const cases = join(CONFIG, "command-policy.test.yaml");
  test("says what its cases expect", async () => {
    const { code, out } = await house.types("policy", "test", cases);
    expect(out).toMatch(/\d+ passed, 0 failed$/);
    expect(code).toBe(0);
  });

  test("fails where it says something else, and tells what", async () => {
    const policy = join(house.folder, "policy.yaml");
    writeFileSync(policy, "rules: [{ name: everything, verdict: allow }]\n");
    const { code, out } = await house.types("policy", "test", cases, "--policy", policy);
    expect(code).toBe(1);
    expect(out).toContain('verdict: expected "ask", got "allow"');
  });

  test("faults of a file of cases have their line", async () => {
    const file = join(house.folder, "cases.yaml");
    writeFileSync(file, "policy: policy.yaml\ncases:\n  - name: x\n    at: yesterday\n");
    const { code, err } = await house.types("policy", "test", file);
    expect(code).toBe(1);
    expect(err).toContain(`${file}:4: cases.0.at: not an instant: "yesterday"`);
  });

  test.each([
    { by: "rule:Full", action: "clean-directory", code: 0 },
    { by: "mcp:claude", action: "restart-service", code: 4 },
    { by: "schedule:x", action: "restart-service", code: 3 },
  ])("explains why $by may $action or not, with $code", async ({ by, action, code }) => {
    const policy = join(CONFIG, "command-policy.yaml");
    const told = await house.types("policy", "explain", action, "--policy", policy, "--by", by);
    expect(told.code).toBe(code);
    expect(told.out).toMatch(/rule "diagnostics only look" does not match: it is/);
  });
});

describe("the topology", () => {
  test("tells who is affected, and through whom", async () => {
    house.answers = {
      getImpact: () =>
        create(GetImpactResponseSchema, {
          kind: "component",
          name: "vault",
          components: ["vault"],
          affected: [
            {
              component: { id: "mcp-api", criticality: "critical", rtoSeconds: 300n },
              path: ["vault", "mcp-api"],
            },
          ],
        }),
    };
    const { out } = await house.types("impact", "vault");
    expect(out).toContain("When component vault is away:");
    expect(out).toMatch(/mcp-api +critical +5m +vault → mcp-api/);
  });
});
