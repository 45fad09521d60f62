/**
 * The agent of a primary, its guard, both, or the whole node stand still or are killed, while its database may live on and
 * clients write to it: never do two nodes acknowledge. `npm run trials:partitions` does the same as often as is asked.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Network, whyNoNetwork } from "../harness/network.js";
import { PartedCluster } from "../harness/parted-cluster.js";
import { freezes } from "../trials/faults.js";
import { runTrial } from "../trials/trial.js";

const why = whyNoNetwork();
const LEASE_MS = 6_000;
let cluster: PartedCluster;

// Its name says which of the two it is, so that nothing is left out in silence.
test(why === undefined ? "hosts can be parted here" : `NOT RUN, hosts cannot be parted here: ${why}`, () => {
  if (why === undefined) Network.open(["one", "another"]).close();
  else process.stdout.write(`\nNOT RUN, frozen agents, guards and nodes: ${why}\n`);
});

describe.runIf(why === undefined)("without a hardware watchdog", () => {
  beforeAll(async () => {
    cluster = await PartedCluster.start({ mode: "asynchronous", leaseMs: LEASE_MS, rpoBytes: 65_536 });
    await cluster.startWriting();
  }, 400_000);
  afterAll(() => cluster?.stop());

  test.each(
    ["agent-frozen", "node-frozen", "agent-and-guard-frozen"].flatMap((name) =>
      freezes.filter((fault) => fault.name === name),
    ),
  )(
    "$name: one acknowledges at a time",
    async (fault) => {
      const result = await runTrial(cluster, fault, () => 0.5);
      expect(result.faults).toEqual([]);
      expect(result.dual).toBe(0);
    },
    400_000,
  );
});
