import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeHouse } from "../testing/fake-house.js";

let house: FakeHouse;
let directory: string;
beforeAll(async () => {
  house = await FakeHouse.open();
  directory = mkdtempSync(join(tmpdir(), "mainstay-regions-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
  return house.close();
});

const STEPS = {
  dns: "{ id: dns, do: traffic, target: api, to: west, budget: 1m }",
  cache: '{ id: cache, do: redis, from: "10.0.0.1:6379", to: "10.1.0.1:6379", budget: 1m }',
  outside: '{ id: outside, do: verify, budget: 1m, requests: [{ url: "https://west.example.org/" }] }',
};

const lint = async (...steps: (keyof typeof STEPS)[]) => {
  const file = join(directory, "regions.yaml");
  const lines = steps.map((step) => `      - ${STEPS[step]}`);
  writeFileSync(
    file,
    ["regions:", "  - id: east", "    to: west", "    rto: 5m", "    steps:", ...lines].join("\n"),
  );
  return house.types("dr", "lint", file);
};

test("dr lint says in which order a plan's steps come", async () => {
  expect(await lint("cache", "outside", "dns")).toMatchObject({
    code: 0,
    out: "east to west: cache, outside, dns",
  });
});

test("dr lint refuses DNS before data, at its line, with the reason", async () => {
  const told = await lint("dns", "cache", "outside");
  expect(told.code).toBe(1);
  expect(told.err).toMatch(/:6: .*"dns" \(traffic\) stands before "cache" \(redis\): clients would be sent/);
});

test("dr lint says what file cannot be read", async () => {
  const told = await house.types("dr", "lint", join(directory, "none.yaml"));
  expect(told.code).toBe(1);
  expect(told.err).toMatch(/the regions file cannot be read: ENOENT/);
});
