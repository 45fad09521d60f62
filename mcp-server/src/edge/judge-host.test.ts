import { describe, expect, test } from "vitest";
import { isLoopback, judgeHost, splitAddress } from "./judge-host.js";

const admitted = { hosts: ["mcp.example.org", "[fd00::1]"], origins: ["https://ops.example.org"] };

describe("a request", () => {
  test.each([
    ["localhost:7483", undefined, "admit"],
    ["LOCALHOST", undefined, "admit"],
    ["[::1]:7483", undefined, "admit"],
    ["mcp.example.org", undefined, "admit"],
    ["[fd00::1]:1", undefined, "admit"],
    [undefined, undefined, "refuse"],
    ["", undefined, "refuse"],
    ["evil.example", undefined, "refuse"],
    ["localhost.evil.example", undefined, "refuse"],
    ["localhost@evil.example", undefined, "refuse"],
    ["localhost:99999999", undefined, "refuse"],
    ["x".repeat(1_000), undefined, "refuse"],
    ["localhost", "http://localhost:5173", "admit"],
    ["localhost", "HTTPS://OPS.example.org", "admit"],
    ["localhost", "https://ops.example.org:8443", "refuse"],
    ["localhost", "http://ops.example.org", "refuse"],
    ["localhost", "null", "refuse"],
    ["localhost", "", "refuse"],
    ["localhost", "http://localhost/path", "refuse"],
    ["localhost", "file://localhost", "refuse"],
  ])("to %s from %s: %s", (host, origin, verdict) => {
    expect(judgeHost(host, origin, admitted).kind).toBe(verdict);
  });
});

test.each([
  ["127.0.0.1:7481", { host: "127.0.0.1", port: 7_481 }],
  ["[::1]:1", { host: "[::1]", port: 1 }],
  ["CP.example.org:65535", { host: "cp.example.org", port: 65_535 }],
  ["cp:0", undefined],
  ["cp:65536", undefined],
  ["cp", undefined],
  ["http://cp:1", undefined],
  ["::1:1", undefined],
])("the address %s has its parts", (address, parts) => {
  expect(splitAddress(address)).toEqual(parts);
});

test.each([
  ["127.0.0.1", true],
  ["127.8.9.1", true],
  ["::1", true],
  ["localhost", true],
  ["0.0.0.0", false],
  ["127.0.0.1.evil.example", false],
])("%s stays on the machine: %s", (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});
