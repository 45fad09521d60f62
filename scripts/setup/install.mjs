import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readJson, root, workspaces } from "./repository.mjs";
import { run, runNode } from "./run.mjs";

const stampFile = join(root, "node_modules", ".mainstay-installed");

/** @typedef {{ platform: string, arch: string, libc: string }} Machine */

/** @returns {Machine} */
function thisMachine() {
  /** @type {unknown} */
  const report = process.platform === "linux" ? process.report.getReport() : {};
  const header = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (report).header;
  const libc = header?.glibcVersionRuntime === undefined ? "musl" : "glibc";
  return { platform: process.platform, arch: process.arch, libc };
}

/** What an install depends on, as one digest; changes when any package.json, the lock, .npmrc or Node does. */
function fingerprint() {
  const digest = createHash("sha256").update(`${process.version} ${process.platform} ${process.arch}`);
  const manifests = workspaces.map((workspace) => `${workspace}/package.json`);
  for (const file of ["package.json", ...manifests, "package-lock.json", ".npmrc"]) {
    digest.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  return digest.digest("hex");
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
function asRecord(value) {
  return typeof value === "object" && value !== null ? /** @type {Record<string, unknown>} */ (value) : {};
}

/**
 * Whether a list of platforms, as npm writes them (`os`, `cpu`, `libc`), includes this one; no list includes all.
 * @param {unknown} list
 * @param {string} own
 */
function includesOwn(list, own) {
  return !Array.isArray(list) || list.includes(own);
}

/**
 * Why the packages that lie in node_modules are not those of the lock file; undefined when they are.
 * npm keeps beside them a lock file of what it installed: when the two agree there is nothing to install, even
 * when somebody else than this script installed it. Optional packages of other platforms are rightly missing.
 * @param {unknown} lock package-lock.json
 * @param {unknown} installed node_modules/.package-lock.json
 * @param {Machine} machine
 * @returns {string | undefined}
 */
export function whyStale(lock, installed, machine) {
  const there = asRecord(asRecord(installed)["packages"]);
  if (Object.keys(there).length === 0) return "nothing is installed yet";
  for (const [path, entry] of Object.entries(asRecord(asRecord(lock)["packages"]))) {
    if (path === "") continue;
    const wanted = asRecord(entry);
    if (there[path] === undefined) {
      const elsewhere =
        !includesOwn(wanted["os"], machine.platform) ||
        !includesOwn(wanted["cpu"], machine.arch) ||
        !includesOwn(wanted["libc"], machine.libc);
      const unbound = wanted["os"] === undefined && wanted["cpu"] === undefined;
      if (wanted["optional"] === true && (elsewhere || unbound)) continue;
      return `${path} is missing`;
    }
    const found = asRecord(there[path]);
    if (found["version"] !== wanted["version"] || found["integrity"] !== wanted["integrity"]) {
      return `${path} is ${String(found["version"])} and should be ${String(wanted["version"])}`;
    }
  }
  return undefined;
}

/**
 * Why package.json files and the lock file do not agree; undefined when they do.
 * @param {unknown} lock
 */
function whyManifestsDiffer(lock) {
  const packages = asRecord(asRecord(lock)["packages"]);
  for (const folder of ["", ...workspaces]) {
    const manifest = asRecord(readJson(join(root, folder, "package.json")));
    const locked = asRecord(packages[folder]);
    for (const kind of ["dependencies", "devDependencies"]) {
      const wanted = JSON.stringify(Object.entries(asRecord(manifest[kind])).sort());
      if (wanted !== JSON.stringify(Object.entries(asRecord(locked[kind])).sort())) {
        return `${kind} of ${folder === "" ? "the root" : folder} changed`;
      }
    }
  }
  return undefined;
}

/**
 * Installs exactly what the lock file says when that is not what lies there.
 * @param {import("./progress.mjs").Progress} progress
 * @returns {Promise<void>} throws an Error with one sentence and npm's own reason
 */
export async function install(progress) {
  const now = fingerprint();
  if (stampOf() === now) return;
  const lock = readJson(join(root, "package-lock.json"));
  const installed = readJson(join(root, "node_modules", ".package-lock.json"));
  const why = whyManifestsDiffer(lock) ?? whyStale(lock, installed, thisMachine());
  if (why !== undefined) {
    await progress.step(`installing packages with npm ci (${why})`, async () => {
      const args = ["ci", "--include=dev", "--no-fund", "--no-audit", "--loglevel=error"];
      const npm = process.env["npm_execpath"] ?? "";
      const env = { NODE_ENV: undefined };
      // Under `npm start` this is npm itself; yarn and pnpm set the same variable to themselves.
      const outcome = basename(npm).startsWith("npm-cli")
        ? await runNode([npm, ...args], { env })
        : await run("npm", args, { env });
      if (outcome.code !== 0) throw new Error(`npm ci failed:\n${outcome.output.trimEnd()}`);
    });
  }
  writeFileSync(stampFile, `${now}\n`);
}

function stampOf() {
  try {
    return readFileSync(stampFile, "utf8").trim();
  } catch {
    return undefined;
  }
}
