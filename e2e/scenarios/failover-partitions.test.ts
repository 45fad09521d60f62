/**
 * A primary is parted from the others, who are hosts of their own, while clients write on both sides: never do two nodes
 * acknowledge, what is lost is within the RPO, and who was cut off comes back as a replica. `npm run trials:partitions`
 * does the same hundreds of times, with more ways to be parted.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { judgeWrites } from "../harness/judge-writes.js";
import { Network, whyNoNetwork } from "../harness/network.js";
import { CONTROL, PartedCluster } from "../harness/parted-cluster.js";
import { pause, untilTrue } from "../harness/until.js";
import { type Fault, partitions } from "../trials/faults.js";
import { runTrial } from "../trials/trial.js";

const why = whyNoNetwork();
/** A busy machine must not lose it by being slow. */
const LEASE_MS = 6_000;
const PATIENCE_MS = 180_000;
let cluster: PartedCluster;

// Its name says which of the two it is, so that nothing is left out in silence.
test(why === undefined ? "hosts can be parted here" : `NOT RUN, hosts cannot be parted here: ${why}`, () => {
  if (why === undefined) Network.open(["one", "another"]).close();
  else process.stdout.write(`\nNOT RUN, partitions of real hosts: ${why}\n`);
});

describe.runIf(why === undefined)("two hosts and a control plane on a third", () => {
  beforeAll(async () => {
    cluster = await PartedCluster.start({ mode: "asynchronous", leaseMs: LEASE_MS, rpoBytes: 65_536 });
    await cluster.startWriting();
  }, 400_000);
  afterAll(() => cluster?.stop());

  const fault = (name: string): Fault => {
    const found = partitions.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no fault "${name}"`);
    return found;
  };
  /** At a fixed point of whatever goes on by itself; the long run draws it. */
  const midway = (): number => 0.5;

  test.each([["full"], ["inward"]])(
    "%s: one acknowledges at a time, another takes over, the old one returns",
    async (name) => {
      const result = await runTrial(cluster, fault(name), midway);
      expect(result.faults).toEqual([]);
      expect(result.after).not.toBe(result.before);
      expect(result.dual).toBe(0);
    },
    400_000,
  );

  test("only the control plane loses sight of it: no failover, and a switchover that a person asks for goes by way of the replica's agent", async () => {
    const before = await cluster.redundant();
    const [to = ""] = cluster.others(before);
    const { epoch } = await cluster.now();
    await cluster.forget();
    cluster.network.cut(before, [CONTROL]);
    await pause(LEASE_MS + 3_000);
    // A machine that stood still for so long may have lost its lease by that, and is no proof of anything.
    const { longestGapMs } = judgeWrites(cluster.heard(), new Set(), new Map());
    if (longestGapMs < LEASE_MS) {
      expect(await cluster.now()).toMatchObject({ primary: before, epoch, phase: "" });
    }
    const recovery = cluster.operator.recovery();
    await untilTrue(
      `${to} to be the primary, asked for until it is`,
      async () => {
        const now = await cluster.now();
        if (now.primary === to && now.phase === "") return true;
        if (now.phase !== "") return false;
        const wish = { cluster: "main", kind: "switchover", to };
        const plan = await recovery.planFailover(wish);
        if (plan.against.length > 0) throw new Error(plan.against.join("; "));
        // On a busy machine the old one may not stop in time, and goes on as it was.
        await recovery.requestFailover({
          ...wish,
          planHash: plan.planHash,
          reason: "the clients here do not reach it",
        });
        await pause(3_000);
        return false;
      },
      PATIENCE_MS,
    );
    // Still out of the control plane's sight, it is told by way of the other whom to follow.
    const { judged, decisions } = await cluster.judge(epoch);
    expect(decisions).toContainEqual(
      expect.objectContaining({ kind: "switchover", candidate: to, outcome: "done" }),
    );
    expect(decisions.flatMap(({ faults }) => faults)).toEqual([]);
    expect(judged).toMatchObject({ dual: [], lost: [] });
    cluster.network.mendAll();
  }, 400_000);
});
