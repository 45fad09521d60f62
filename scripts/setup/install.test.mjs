import { expect, test } from "vitest";
import { faultsInLock } from "../checks/lock-file.mjs";
import { whyStale } from "./install.mjs";
import { nodeTooOld } from "./node-version.mjs";

const machine = { platform: "linux", arch: "x64", libc: "glibc" };
const a = { version: "1.0.0", integrity: "sha512-a" };

/** @param {Record<string, unknown>} packages */
const lockOf = (packages) => ({ packages });

test.each([
  { when: "nothing is installed", lock: { a }, installed: {}, why: "nothing is installed yet" },
  { when: "all is there", lock: { "": {}, a }, installed: { a }, why: undefined },
  { when: "a package is missing", lock: { a, b: a }, installed: { a }, why: "b is missing" },
  {
    when: "a version differs",
    lock: { a: { ...a, version: "2.0.0" } },
    installed: { a },
    why: "a is 1.0.0 and should be 2.0.0",
  },
  {
    when: "an optional package of another system is missing",
    lock: { a, b: { ...a, optional: true, os: ["darwin"] } },
    installed: { a },
    why: undefined,
  },
  {
    when: "an optional package of another C library is missing",
    lock: { a, b: { ...a, optional: true, os: ["linux"], cpu: ["x64"], libc: ["musl"] } },
    installed: { a },
    why: undefined,
  },
  {
    when: "the optional package of this very machine is missing",
    lock: { a, b: { ...a, optional: true, os: ["linux"], cpu: ["x64"], libc: ["glibc"] } },
    installed: { a },
    why: "b is missing",
  },
])("when $when, an install is stale because: $why", ({ lock, installed, why }) => {
  expect(whyStale(lockOf(lock), lockOf(installed), machine)).toBe(why);
});

test("a lock file that lost the binary of another platform is not whole", () => {
  const packages = { "node_modules/tool": { optionalDependencies: { "tool-darwin": "1.0.0" } } };
  expect(faultsInLock({ packages })).toEqual([
    "node_modules/tool wants tool-darwin, and the lock file does not hold it: npm ci will refuse",
  ]);
  expect(faultsInLock({ packages: { ...packages, "node_modules/tool-darwin": {} } })).toEqual([]);
});

test("a lock file that names a host is not for everyone", () => {
  const packages = { "node_modules/a": { resolved: "https://packages.example/a.tgz" } };
  expect(faultsInLock({ packages })).toEqual(["node_modules/a names a host: https://packages.example/a.tgz"]);
});

test.each([
  { version: "18.20.4", tooOld: true },
  { version: "20.18.3", tooOld: true },
  { version: "20.19.0", tooOld: false },
  { version: "22.0.0", tooOld: false },
])("Node $version is too old: $tooOld", ({ version, tooOld }) => {
  expect(nodeTooOld(version) !== undefined).toBe(tooOld);
});
