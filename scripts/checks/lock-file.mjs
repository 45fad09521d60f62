import { join } from "node:path";
import { readJson, root } from "../setup/repository.mjs";

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
function asRecord(value) {
  return typeof value === "object" && value !== null ? /** @type {Record<string, unknown>} */ (value) : {};
}

/**
 * What is wrong with a package-lock.json that `npm install` wrote and `npm ci` will refuse elsewhere: npm leaves out
 * an optional package that the registry did not have at that moment (a binary of another platform, mostly), and
 * writes the address of the registry it happened to use.
 * @param {unknown} lock
 * @returns {string[]} one line each, empty when it is whole
 */
export function faultsInLock(lock) {
  const packages = asRecord(asRecord(lock)["packages"]);
  /** @type {string[]} */
  const faults = [];
  for (const [path, entry] of Object.entries(packages)) {
    const { optionalDependencies, resolved } = asRecord(entry);
    for (const name of Object.keys(asRecord(optionalDependencies))) {
      if (
        packages[`${path}/node_modules/${name}`] === undefined &&
        packages[`node_modules/${name}`] === undefined
      ) {
        faults.push(`${path} wants ${name}, and the lock file does not hold it: npm ci will refuse`);
      }
    }
    if (typeof resolved === "string" && /^https?:/.test(resolved))
      faults.push(`${path} names a host: ${resolved}`);
  }
  if (Object.keys(packages).length === 0) faults.push("package-lock.json holds no packages");
  return faults;
}

/** @returns {Promise<{ ok: boolean, output: string }>} */
export async function checkLockFile() {
  const faults = faultsInLock(readJson(join(root, "package-lock.json")));
  return { ok: faults.length === 0, output: faults.slice(0, 20).join("\n") };
}
