import { describe, expect, test } from "vitest";
import { Fields } from "../fields.js";
import { allow, isWithin } from "./allow.js";
import { allowedActions, type LocalPolicy, policyHash, readPolicy } from "./policy.js";

const nothing: LocalPolicy = readPolicy(new Fields({}, "actions", []));
const policy: LocalPolicy = readPolicy(
  new Fields(
    {
      cleanDirectory: { roots: ["/var/cache/app", "/srv/tmp/"], minAgeSeconds: 600, maxBytes: 1000 },
      restartService: {
        units: ["nginx.service"],
        processes: [{ name: "worker", pidFile: "/p", start: ["/w"] }],
      },
      endIdleSessions: { databases: [{ name: "main", url: "postgres://u:secret@h/d" }], minIdleSeconds: 300 },
      collectDiagnostics: { enabled: true },
    },
    "actions",
    [],
  ),
);
const clean = (path: string, more: object = {}) => ["clean-directory", { path, ...more }] as const;

describe("what this host allows", () => {
  test.each([
    { what: "a root itself", order: clean("/var/cache/app"), answer: { minAgeSeconds: 600, maxBytes: 1000 } },
    { what: "below a root", order: clean("/var/cache/app/x/"), answer: { path: "/var/cache/app/x" } },
    {
      what: "less than the host's bound",
      order: clean("/srv/tmp", { maxBytes: 10 }),
      answer: { maxBytes: 10 },
    },
    {
      what: "more than the host's bound is cut to it",
      order: clean("/srv/tmp", { maxBytes: 9999 }),
      answer: { maxBytes: 1000 },
    },
    {
      what: "an older age",
      order: clean("/srv/tmp", { minAgeSeconds: 9999, pattern: "*.log" }),
      answer: { minAgeSeconds: 9999, pattern: "*.log" },
    },
    {
      what: "a named unit",
      order: ["restart-service", { unit: "nginx.service" }] as const,
      answer: { unit: "nginx.service" },
    },
    {
      what: "a declared process",
      order: ["restart-service", { process: "worker" }] as const,
      answer: { process: "worker" },
    },
    {
      what: "a declared database",
      order: ["end-idle-sessions", { database: "main" }] as const,
      answer: { idleSeconds: 300, states: "in-transaction", limit: 100 },
    },
    {
      what: "diagnostics",
      order: ["collect-diagnostics", {}] as const,
      answer: { action: "collect-diagnostics" },
    },
  ])("yes: $what", ({ order: [action, args], answer }) => {
    const verdict = allow(policy, action, JSON.stringify(args));
    expect(verdict).toMatchObject({ kind: "allow", arguments: answer });
    // The same is denied where nothing is declared.
    expect(allow(nothing, action, JSON.stringify(args))).toMatchObject({
      kind: "deny",
      because: "not-allowed-here",
    });
  });

  test.each([
    { what: "a path outside", order: clean("/var/cache"), because: "not-allowed-here" },
    { what: "a path that only begins alike", order: clean("/var/cache/app2"), because: "not-allowed-here" },
    { what: "a way up", order: clean("/var/cache/app/../../etc"), because: "not-allowed-here" },
    { what: "a way up that comes back", order: clean("/srv/tmp/../tmp"), because: "not-allowed-here" },
    { what: "a relative path", order: clean("var/cache/app"), because: "bad-arguments" },
    { what: "a path with a NUL", order: clean("/srv/tmp/\u0000"), because: "bad-arguments" },
    {
      what: "a pattern with a slash",
      order: clean("/srv/tmp", { pattern: "../*" }),
      because: "bad-arguments",
    },
    { what: "a younger age", order: clean("/srv/tmp", { minAgeSeconds: 599 }), because: "not-allowed-here" },
    { what: "a negative bound", order: clean("/srv/tmp", { maxBytes: -1 }), because: "bad-arguments" },
    {
      what: "an argument that does not exist",
      order: clean("/srv/tmp", { force: true }),
      because: "bad-arguments",
    },
    { what: "no path", order: ["clean-directory", {}] as const, because: "bad-arguments" },
    {
      what: "another unit",
      order: ["restart-service", { unit: "sshd.service" }] as const,
      because: "not-allowed-here",
    },
    {
      what: "a unit that is an option",
      order: ["restart-service", { unit: "--force" }] as const,
      because: "bad-arguments",
    },
    {
      what: "unit and process",
      order: ["restart-service", { unit: "nginx.service", process: "worker" }] as const,
      because: "bad-arguments",
    },
    { what: "neither", order: ["restart-service", {}] as const, because: "bad-arguments" },
    {
      what: "another database",
      order: ["end-idle-sessions", { database: "other" }] as const,
      because: "not-allowed-here",
    },
    {
      what: "too short an idleness",
      order: ["end-idle-sessions", { database: "main", idleSeconds: 10 }] as const,
      because: "not-allowed-here",
    },
    {
      what: "an action nobody wrote",
      order: ["run-shell", { command: "id" }] as const,
      because: "unknown-action",
    },
    { what: "a name from the prototype", order: ["constructor", {}] as const, because: "unknown-action" },
  ])("no: $what ($because)", ({ order: [action, args], because }) => {
    expect(allow(policy, action, JSON.stringify(args))).toMatchObject({ kind: "deny", because });
  });

  test.each(["[]", "null", "7", '"/srv/tmp"', "{", "{}}"])("no: arguments that are %s", (json) => {
    expect(allow(policy, "clean-directory", json)).toMatchObject({ kind: "deny", because: "bad-arguments" });
  });

  test("the greeting names what is allowed, and the hash changes with the policy but shows no secret", () => {
    expect(allowedActions(nothing)).toEqual([]);
    expect(allowedActions(policy)).toHaveLength(4);
    expect(policyHash(policy)).not.toBe(policyHash({ ...policy, collectDiagnostics: false }));
    const elsewhere = {
      databases: [{ name: "main", url: "postgres://other", urlFile: undefined }],
      minIdleSeconds: 300,
    };
    expect(policyHash({ ...policy, endIdleSessions: elsewhere })).toBe(policyHash(policy));
  });

  test.each([
    { root: "/a", path: "/a", within: true },
    { root: "/a/", path: "/a", within: true },
    { root: "/a", path: "/a/b", within: true },
    { root: "/a", path: "/ab", within: false },
    { root: "/a/b", path: "/a", within: false },
  ])("$path is within $root: $within", ({ root, path, within }) => {
    expect(isWithin(root, path)).toBe(within);
  });
});
