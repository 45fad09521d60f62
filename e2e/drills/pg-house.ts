/** A house of a drill's own: a control plane, two members under failover, and a client that writes markers. */
import { LEASE_MS, type Member, PostgresPair } from "../harness/postgres-pair.js";
import { Stack } from "../harness/stack.js";
import { pause, untilTrue } from "../harness/until.js";

const PATIENCE_MS = 120_000;
const WRITE_EVERY_MS = 10;
/** So long markers are written before something happens, and after writes are taken again. */
const LEAD_MS = 2_000;

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

export interface Written {
  readonly acknowledged: number;
  readonly lost: number;
  /** The longest time in which nothing was acknowledged. */
  readonly longestGapMs: number;
}

export class PgHouse {
  readonly stack: Stack;
  readonly pair: PostgresPair;

  private constructor(stack: Stack, pair: PostgresPair) {
    this.stack = stack;
    this.pair = pair;
  }

  /** db-1 is the primary, db-2 is relied on; commits wait for it. */
  static async start(args: readonly string[] = []): Promise<PgHouse> {
    const stack = await Stack.start({ args });
    try {
      const house = new PgHouse(stack, await PostgresPair.start(stack));
      await house.operator.recovery().registerCluster({
        cluster: "main",
        members: ["db-1", "db-2"],
        primary: "db-1",
        mode: "synchronous",
        leaseMs: LEASE_MS,
      });
      await house.settled("db-1", "db-2");
      await house.pair.query("db-1", "create table marker (n int primary key)");
      return house;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  get operator() {
    return this.stack.operator();
  }

  stop(): Promise<void> {
    return this.stack.stop();
  }

  /** One is the primary, the other can take over, and nothing is under way. */
  settled(primary: Member, other: Member): Promise<void> {
    return untilTrue(
      `${primary} to be the primary and ${other} to be relied on`,
      async () => {
        const [now] = (await this.operator.recovery().listClusters({})).clusters;
        return now?.primary === primary && now.phase === "" && now.eligible.includes(other);
      },
      PATIENCE_MS,
    );
  }

  /** While markers are written something happens; afterwards they are looked for on `owner`. */
  async whileWriting(happens: () => Promise<void>, owner: Member): Promise<Written> {
    const markers = new Markers(this.pair);
    try {
      await pause(LEAD_MS);
      await happens();
      const before = markers.acknowledged.length;
      await untilTrue(
        "markers to be acknowledged again",
        () => markers.acknowledged.length > before + 20,
        PATIENCE_MS,
      );
      await pause(LEAD_MS);
    } finally {
      await markers.stop();
    }
    const there = new Set((await this.pair.query(owner, "select n from marker")).map(({ n }) => n));
    return {
      acknowledged: markers.acknowledged.length,
      lost: markers.acknowledged.filter((n) => !there.has(n)).length,
      longestGapMs: Math.round(markers.longestGapMs),
    };
  }

  /** The last decision with its steps, as the log tells it. */
  async lastDecision(): Promise<{
    readonly lines: readonly string[];
    readonly holds: boolean;
    readonly count: number;
  }> {
    const { decisions } = await this.operator.recovery().listDecisions({ cluster: "main" });
    const [decision] = decisions;
    if (decision === undefined) return { lines: ["the log has no decision"], holds: true, count: 0 };
    const told = await this.operator.recovery().explainDecision({ cluster: "main", epoch: decision.epoch });
    return {
      count: decisions.length,
      holds: told.faults.length === 0,
      lines: [
        `the log says: ${decision.kind}, open again after ${decision.rtoMs ?? decision.openAfterMs ?? "?"} ms, ${decision.missingBytes ?? "?"} bytes missing, fenced by ${decision.fencedBy || "?"}`,
        ...told.steps.map((step) => `  ${step.kind}: ${step.says}`),
        told.faults.length === 0 ? "the log holds" : `the log does not hold: ${told.faults.join("; ")}`,
      ],
    };
  }
}

export const writtenLines = ({ acknowledged, lost, longestGapMs }: Written): readonly string[] => [
  `nothing was acknowledged for ${longestGapMs} ms (as a client saw it)`,
  `${acknowledged} markers were acknowledged, ${lost} of them are missing`,
];
