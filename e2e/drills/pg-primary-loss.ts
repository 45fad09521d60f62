/**
 * A primary is lost while a client writes markers: how long nothing was acknowledged, and which acknowledged markers are
 * missing on the new primary. Beside it, what the decision log measured of the same.
 */
import type { Operator } from "../harness/operator.js";
import { LEASE_MS, type Member, PostgresPair } from "../harness/postgres-pair.js";
import { Stack } from "../harness/stack.js";
import { pause, untilTrue } from "../harness/until.js";

const PATIENCE_MS = 120_000;
const WRITE_EVERY_MS = 10;
/** So long markers are written before the primary is lost, and after another took over. */
const LEAD_MS = 2_000;

export interface DrillReport {
  readonly passed: boolean;
  readonly lines: readonly string[];
}

/** Writes markers one after another to whoever takes them, until it is stopped. */
class Markers {
  readonly acknowledged: number[] = [];
  longestGapMs = 0;
  #at = performance.now();
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(pair: PostgresPair) {
    this.#done = this.#write(pair, ["db-1", "db-2"]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #write(pair: PostgresPair, members: readonly Member[]): Promise<void> {
    let turn = 0;
    // A marker that was not acknowledged is never sent again: its fate is unknown, and it counts for nothing.
    for (let n = 0; !this.#stopped; n++) {
      try {
        await pair.query(members[turn % members.length] ?? "db-1", `insert into marker values (${n})`);
        const now = performance.now();
        this.longestGapMs = Math.max(this.longestGapMs, now - this.#at);
        this.#at = now;
        this.acknowledged.push(n);
        await pause(WRITE_EVERY_MS);
      } catch {
        turn += 1;
        await pause(WRITE_EVERY_MS);
      }
    }
  }
}

async function settled(operator: Operator, primary: Member, other: Member): Promise<void> {
  await untilTrue(
    `${primary} to be the primary and ${other} to be relied on`,
    async () => {
      const [now] = (await operator.recovery().listClusters({})).clusters;
      return now?.primary === primary && now.phase === "" && now.eligible.includes(other);
    },
    PATIENCE_MS,
  );
}

async function run(stack: Stack): Promise<DrillReport> {
  const operator = stack.operator();
  const pair = await PostgresPair.start(stack);
  const mode = "synchronous";
  const members = ["db-1", "db-2"];
  await operator.recovery().registerCluster({
    cluster: "main",
    members,
    primary: "db-1",
    mode,
    leaseMs: LEASE_MS,
  });
  await settled(operator, "db-1", "db-2");
  await pair.query("db-1", "create table marker (n int primary key)");
  const markers = new Markers(pair);
  await pause(LEAD_MS);
  const before = markers.acknowledged.length;
  await pair.lose("db-1");
  await untilTrue(
    "markers to be acknowledged again",
    async () => markers.acknowledged.length > before + 20,
    PATIENCE_MS,
  );
  await pause(LEAD_MS);
  await markers.stop();
  const there = new Set((await pair.query("db-2", "select n from marker")).map(({ n }) => n));
  const lost = markers.acknowledged.filter((n) => !there.has(n)).length;
  const returned = performance.now();
  stack.restartAgent("db-1");
  await settled(operator, "db-2", "db-1");
  const redundantMs = performance.now() - returned;
  const [decision] = (await operator.recovery().listDecisions({ cluster: "main" })).decisions;
  const told = await operator.recovery().explainDecision({ cluster: "main", epoch: decision?.epoch ?? 0n });
  return {
    passed: lost === 0 && told.faults.length === 0,
    lines: [
      `${mode}, lease ${LEASE_MS} ms; the primary's agent was killed, and PostgreSQL with it`,
      `nothing was acknowledged for ${Math.round(markers.longestGapMs)} ms (RTO as a client saw it)`,
      `${markers.acknowledged.length} markers were acknowledged, ${lost} of them are missing`,
      `the log says: open again after ${decision?.rtoMs ?? "?"} ms, ${decision?.missingBytes ?? "?"} bytes missing, fenced by ${decision?.fencedBy || "?"}`,
      `redundant again ${Math.round(redundantMs)} ms after the old primary's agent was started`,
      ...told.steps.map((step) => `  ${step.kind}: ${step.says}`),
      told.faults.length === 0 ? "the log holds" : `the log does not hold: ${told.faults.join("; ")}`,
    ],
  };
}

/** Starts a house of its own, and takes it down again. */
export async function pgPrimaryLoss(): Promise<DrillReport> {
  const stack = await Stack.start();
  try {
    return await run(stack);
  } finally {
    await stack.stop();
  }
}
