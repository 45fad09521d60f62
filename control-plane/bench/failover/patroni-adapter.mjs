/**
 * Debian's Patroni under the failover bench: two nodes, one etcd, loopback. Profiles: `default` are Patroni's own times
 * (ttl 30, loop_wait 10, retry_timeout 10), `fast` the least that its documentation allows (20, 1, 3), `sync` is `fast`
 * with `synchronous_mode`. No hardware watchdog, as where there is no /dev/watchdog.
 */
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HARNESS = new URL("../../../e2e/dist/harness/patroni.js", import.meta.url);

/** Only what was built can be run: `npm run build` comes first. */
async function loadHarness() {
  try {
    return await import(HARNESS.href);
  } catch (cause) {
    throw new Error(`${fileURLToPath(HARNESS)} cannot be loaded; run \`npm run build\` first`, { cause });
  }
}

/**
 * Resolves when one member takes writes and the other streams from it.
 * @param {{ dir: string, profile?: "default" | "fast" | "sync", mode?: "synchronous" | "asynchronous" }} options
 */
export async function start({ dir, profile = "fast", mode = "asynchronous" }) {
  const { PatroniCluster, PATRONI_TIMES } = await loadHarness();
  const times = profile === "sync" ? "fast" : profile;
  if (!(times in PATRONI_TIMES))
    throw new Error(`Patroni has no profile "${profile}": default, fast or sync`);
  mkdirSync(dir, { recursive: true });
  const cluster = await PatroniCluster.start({
    directory: dir,
    profile: times,
    mode: profile === "sync" ? "synchronous" : mode,
  });
  return {
    name: `patroni ${profile}`,
    members: cluster.members.map(({ name, host, port }) => ({
      name,
      host,
      port,
      user: "postgres",
      database: "postgres",
    })),
    primary: () => cluster.primary(),
    killNode: (name) => cluster.killNode(name),
    crashPostgres: (name) => cluster.crashPostgres(name),
    startNode: (name) => cluster.startNode(name),
    switchover: (to) => cluster.switchover(to),
    controlDown: () => cluster.controlDown(),
    controlUp: () => cluster.controlUp(),
    redundant: () => cluster.redundant(),
    stop: () => cluster.stop(),
  };
}
