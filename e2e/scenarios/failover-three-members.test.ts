/**
 * Three members: when the primary is lost, whoever has the most takes over, though another would have been asked first; the
 * third follows it, and the old primary does when it is back. Nothing that was acknowledged is missing.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Network, whyNoNetwork } from "../harness/network.js";
import { PartedCluster } from "../harness/parted-cluster.js";
import { pause, untilTrue } from "../harness/until.js";

const why = whyNoNetwork();
const PATIENCE_MS = 180_000;
let cluster: PartedCluster;

// Its name says which of the two it is, so that nothing is left out in silence.
test(why === undefined ? "hosts can be parted here" : `NOT RUN, hosts cannot be parted here: ${why}`, () => {
  if (why === undefined) Network.open(["one", "another"]).close();
  else process.stdout.write(`\nNOT RUN, three members: ${why}\n`);
});

describe.runIf(why === undefined)("three members, each on a host of its own", () => {
  beforeAll(async () => {
    cluster = await PartedCluster.start({
      members: ["db-1", "db-2", "db-3"],
      mode: "synchronous",
      leaseMs: 6_000,
    });
    await cluster.startWriting();
  }, 400_000);
  afterAll(() => cluster?.stop());

  test("the one with the most takes over, the third follows it, and the old primary when it is back", async () => {
    const { epoch } = await cluster.now();
    await cluster.forget();
    // db-2 falls behind, and is relied on still, or not any more: either way it is not the best.
    cluster.network.cut("db-1", ["db-2"]);
    await pause(700);
    await cluster.stack.agent("db-1").killHard();
    cluster.network.mendAll();
    await untilTrue(
      "another to be the primary, and to rely on the third",
      async () => {
        const now = await cluster.now();
        return now.primary !== "db-1" && now.phase === "" && now.eligible.length === 1;
      },
      PATIENCE_MS,
    );
    cluster.stack.restartAgent("db-1");
    const { judged, decisions } = await cluster.judge(epoch);
    expect(judged).toMatchObject({ dual: [], lost: [] });
    // A machine that has much else to do may need another after it.
    expect(decisions.at(-1)).toMatchObject({ kind: "failover", candidate: "db-3", outcome: "done" });
    expect(decisions.flatMap(({ faults }) => faults)).toEqual([]);
  }, 400_000);
});
