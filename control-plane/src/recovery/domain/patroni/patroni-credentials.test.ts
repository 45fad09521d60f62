import { describe, expect, test } from "vitest";
import { parsePatroniCredentials, whyNotShown } from "./patroni-credentials.js";

const parse = (value: unknown) => parsePatroniCredentials(value, () => 7);

test("names each cluster's way to show itself", () => {
  const main = { username: "u", passwordFile: "/run/p", caFile: "/ca", certFile: "/c", keyFile: "/k" };
  expect(parse({ clusters: { main } })).toEqual({ value: { main } });
  expect(parse(null)).toEqual({ value: {} });
});

test.each([
  ["a certificate without its key", { certFile: "/c" }],
  ["a name without a password", { username: "u" }],
  ["two passwords", { username: "u", password: "hunter2", passwordFile: "/p" }],
  ["a word that is none", { username: "u", password: "hunter2", pasword: "hunter2" }],
  ["a password that is no text", { username: "u", password: { hunter2: 1 } }],
])("refuses %s, and repeats no secret", (_, main) => {
  const parsed = parse({ clusters: { main } });
  expect("faults" in parsed && parsed.faults.length > 0).toBe(true);
  expect(JSON.stringify(parsed)).toContain("7: clusters.main");
  expect(JSON.stringify(parsed)).not.toContain("hunter2");
});

describe("a password", () => {
  test.each<[string, object, boolean]>([
    ["https://db-1:8008", {}, true],
    ["http://127.0.0.1:8008", {}, true],
    ["http://localhost:8008", {}, true],
    ["http://[::1]:8008", {}, true],
    ["http://db-1:8008", {}, false],
    ["http://127.0.0.1.example.org", {}, false],
    ["http://db-1:8008", { plainHttp: true }, true],
  ])("is shown to %s with %j: %j", (endpoint, more, shown) => {
    const why = whyNotShown({ username: "u", password: "p", ...more }, new URL(endpoint));
    expect(why === undefined).toBe(shown);
  });
});
