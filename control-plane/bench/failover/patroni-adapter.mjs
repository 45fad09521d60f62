/**
 * Debian's Patroni under the failover bench: two nodes, one etcd, loopback. Profiles: `default` are Patroni's own times
 * (ttl 30, loop_wait 10, retry_timeout 10), `fast` the least that its documentation allows (20, 1, 3), `sync` is `fast`
 * with `synchronous_mode`. No hardware watchdog, as where there is no /dev/watchdog.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const HARNESS = fileURLToPath(new URL("../../../e2e/dist/harness/patroni.js", import.meta.url));

export const profiles = ["default", "fast", "sync"];

/** Why it cannot run here; undefined when it can. */
export function missing() {
  if (!existsSync(HARNESS)) return `${HARNESS} is not there: run \`npm run build\` first`;
  for (const [program, debianPackage] of Object.entries({ patroni: "patroni", etcd: "etcd-server" })) {
    try {
      execFileSync("which", [program], { stdio: "ignore" });
    } catch {
      return `${program} is not on the PATH: Debian package ${debianPackage}`;
    }
  }
  return undefined;
}

/**
 * Resolves when one member takes writes and the other streams from it. `dir` must be there and passable for everybody.
 * @param {{ dir: string, profile?: "default" | "fast" | "sync", mode?: "synchronous" | "asynchronous" }} options
 */
export async function start({ dir, profile = "fast", mode = "asynchronous" }) {
  const { PatroniCluster } = await import(HARNESS);
  if (!profiles.includes(profile))
    throw new Error(`Patroni has no profile "${profile}": ${profiles.join(", ")}`);
  const directory = join(dir, "patroni");
  mkdirSync(directory, { recursive: true });
  const cluster = await PatroniCluster.start({
    directory,
    profile: profile === "sync" ? "fast" : profile,
    mode: profile === "sync" ? "synchronous" : mode,
  });
  try {
    await cluster.query("pg-1", "create table marker (number bigint primary key)");
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return {
    members: cluster.members.map(({ name, host, port }) => ({ name, host, port })),
    access: { user: "postgres" },
    primary: () => cluster.primary(),
    redundant: () => cluster.redundant(),
    ready: () => cluster.ready(),
    /** The numbers from `first` to `last` that are there. */
    async numbers(member, first, last) {
      const rows = await cluster.query(
        member,
        `select number::int as number from marker where number between ${first} and ${last}`,
      );
      return new Set(rows.map(({ number }) => number));
    },
    killNode: (name) => cluster.killNode(name),
    crashPostgres: (name) => cluster.crashPostgres(name),
    startNode: (name) => cluster.startNode(name),
    switchover: (to) => cluster.switchover(to),
    controlDown: () => cluster.controlDown(),
    controlUp: () => cluster.controlUp(),
    stop: () => cluster.stop(),
  };
}
