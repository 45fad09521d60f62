/** What happens to a primary in a trial: how it is brought about, how it ends, and what must come of it. */
import { CONTROL, type PartedCluster } from "../harness/parted-cluster.js";
import { pause } from "../harness/until.js";

export interface Fault {
  readonly name: string;
  readonly says: string;
  /** `other`: another takes over. `same`: nobody does. `any`: either is right, as long as it is one at a time. */
  readonly wanted: "other" | "same" | "any";
  /** Brings it about; resolves when it stands, to what ends it. A fault that has a course of its own ends itself. */
  readonly bring: (cluster: PartedCluster, primary: string, draw: () => number) => Promise<() => void>;
}

const FLAPS_FOR_MS = 12_000;
const FLAP_MS = { least: 500, most: 5_000 };

const parted = (
  name: string,
  says: string,
  wanted: Fault["wanted"],
  cut: (cluster: PartedCluster, primary: string) => void,
): Fault => ({
  name,
  says,
  wanted,
  bring: async (cluster, primary) => {
    cut(cluster, primary);
    return () => cluster.network.mendAll();
  },
});

export const partitions: readonly Fault[] = [
  parted("full", "the primary reaches nobody, and nobody reaches it", "other", (cluster, primary) =>
    cluster.network.cut(primary, cluster.allBut(primary)),
  ),
  parted("outward", "nothing that the primary sends arrives", "other", (cluster, primary) =>
    cluster.network.cutWay(primary, cluster.allBut(primary)),
  ),
  parted("inward", "nothing arrives at the primary", "other", (cluster, primary) => {
    for (const other of cluster.allBut(primary)) cluster.network.cutWay(other, [primary]);
  }),
  parted("control", "the control plane and the primary do not reach each other", "same", (cluster, primary) =>
    cluster.network.cut(primary, [CONTROL]),
  ),
  parted("replica", "the primary and its replicas do not reach each other", "same", (cluster, primary) =>
    cluster.network.cut(primary, cluster.others(primary)),
  ),
  {
    name: "flapping",
    says: `the primary is cut off and back, each for ${FLAP_MS.least / 1_000} to ${FLAP_MS.most / 1_000} s`,
    wanted: "any",
    bring: async (cluster, primary, draw) => {
      const { network } = cluster;
      const others = cluster.allBut(primary);
      const until = performance.now() + FLAPS_FOR_MS;
      const length = (): number => FLAP_MS.least + draw() * (FLAP_MS.most - FLAP_MS.least);
      while (performance.now() < until) {
        network.cut(primary, others);
        await pause(length());
        network.mend(primary, others);
        await pause(length());
      }
      return () => network.mendAll();
    },
  },
];

type Part = "agent" | "guard" | "database";

/** Stops processes as they are; when they go on, the database does first, which is the worst order there is. */
const frozen = (name: string, says: string, wanted: Fault["wanted"], parts: readonly Part[]): Fault => ({
  name,
  says,
  wanted,
  bring: async (cluster, primary) => {
    const { agent, guard, database } = cluster.processes(primary);
    const pids = parts.flatMap((part) => {
      if (part === "agent") return [agent];
      return part === "guard" ? [guard] : [...database];
    });
    for (const pid of pids) send(pid, "SIGSTOP");
    return () => {
      for (const pid of pids.reverse()) send(pid, "SIGCONT");
    };
  },
});

export const freezes: readonly Fault[] = [
  frozen("agent-frozen", "the primary's agent stands still", "any", ["agent"]),
  frozen("guard-frozen", "the primary's guard stands still", "any", ["guard"]),
  frozen(
    "agent-and-guard-frozen",
    "agent and guard of the primary stand still, its database does not",
    "any",
    ["agent", "guard"],
  ),
  frozen("node-frozen", "agent, guard and database of the primary stand still", "other", [
    "agent",
    "guard",
    "database",
  ]),
  {
    name: "agent-killed",
    says: "the primary's agent is killed",
    wanted: "other",
    bring: async ({ stack }, primary) => {
      await stack.agent(primary).killHard();
      return () => void stack.restartAgent(primary);
    },
  },
  {
    name: "guard-killed",
    says: "the primary's guard is killed",
    // It starts again where it was, unless that is the third time within a minute.
    wanted: "any",
    bring: async (cluster, primary) => {
      send(cluster.processes(primary).guard, "SIGKILL");
      return () => undefined;
    },
  },
];

function send(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) throw new Error(`${signal}: the process is not there`);
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
