/** The primary reaches nobody, and nobody reaches it, in network namespaces of the drill's own, while clients write everywhere. */
import { PartedCluster } from "../harness/parted-cluster.js";
import { partitions } from "../trials/faults.js";
import { runTrial } from "../trials/trial.js";
import type { DrillReport } from "./report.js";

const LEASE_MS = 3_000;

export async function pgPartition(): Promise<DrillReport> {
  const fault = partitions.find(({ name }) => name === "full");
  if (fault === undefined) throw new Error("there is no full partition among the trials");
  const cluster = await PartedCluster.start({ mode: "synchronous", leaseMs: LEASE_MS });
  try {
    await cluster.startWriting();
    const trial = await runTrial(cluster, fault, () => 0.5);
    const { before, after, acknowledged, lost, dual, gapMs, redundantMs, decisions, faults } = trial;
    return {
      passed: faults.length === 0,
      lines: [
        `synchronous, lease ${LEASE_MS} ms; ${fault.says}`,
        `${before} was the primary, ${after} is; nothing was acknowledged for ${gapMs} ms, and by another after ${trial.rtoMs ?? "?"} ms`,
        `${acknowledged} rows were acknowledged, ${lost} of them are missing, ${dual} by two nodes at one time`,
        `redundant again ${redundantMs} ms after the network was mended`,
        ...decisions.map((decision) => `  ${decision}`),
        ...faults.map((text) => `not as it must be: ${text}`),
      ],
    };
  } finally {
    await cluster.stop();
  }
}
