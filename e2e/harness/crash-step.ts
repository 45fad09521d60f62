/** Changes of the owner whose control plane is killed at one record of the decision, and what came of each. */
import pg from "pg";
import { ControlKill, type Moment } from "./control-kill.js";
import type { Operator } from "./operator.js";
import { LEASE_MS, type Member, PostgresPair } from "./postgres-pair.js";
import { Stack } from "./stack.js";
import { until, untilTrue } from "./until.js";

const PATIENCE_MS = 120_000;
/** Markers that are acknowledged before each change. */
const MARKERS = 20;

export interface CrashStep {
  /** What is under way: the primary's node is lost, or another takes its turn by plan. */
  readonly change: "node-loss" | "switchover";
  /** The kind of a record of the decision log. */
  readonly record: string;
  readonly moment: Moment;
}

const failover = ["intended", "promising", "chosen", "fenced", "promoting", "promoted"];
const ends = ["verified", "routed", "closed"];
/** Rejoining (D8) is no part of a decision; it begins when the lost node is back. */
const rejoins = ["proposed", "eligible"];

/** Every record that each change writes. */
export const crashRecords: Readonly<Record<CrashStep["change"], readonly string[]>> = {
  "node-loss": [...failover, ...ends, ...rejoins],
  switchover: ["intended", "stepping-down", ...failover.slice(1), ...ends],
};

export interface CrashOutcome {
  /**
   * How each decision ended, oldest first: `done`, `aborted` and so on; `open` for one that did not. A switchover of which
   * nothing was written is asked for anew, and may be `refused` then.
   */
  readonly ended: readonly string[];
  /** Whom each decision chose or promoted, each name once: more than one is another candidate after the crash. */
  readonly candidates: readonly (readonly string[])[];
  /** Where the log does not hold its own rules. */
  readonly faults: readonly string[];
  readonly acknowledged: number;
  readonly lost: number;
}

interface Entry {
  readonly epoch: string;
  readonly kind: string;
  readonly candidate: string | null;
  readonly outcome: string | null;
}

export class CrashHouse {
  readonly #stack: Stack;
  readonly #pair: PostgresPair;
  readonly #operator: Operator;
  #next = 1;

  private constructor(stack: Stack, pair: PostgresPair) {
    this.#stack = stack;
    this.#pair = pair;
    this.#operator = stack.operator();
  }

  /** A control plane and two members, synchronous; db-1 is the primary. */
  static async start(): Promise<CrashHouse> {
    const stack = await Stack.start();
    try {
      const house = new CrashHouse(stack, await PostgresPair.start(stack));
      await house.#operator.recovery().registerCluster({
        cluster: "main",
        members: ["db-1", "db-2"],
        primary: "db-1",
        mode: "synchronous",
        leaseMs: LEASE_MS,
        failoversPerHourMax: 1_000,
      });
      await house.#whole();
      await house.#pair.query("db-1", "create table marker (n int primary key)");
      return house;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.#stack.stop();
  }

  /** How everything stands, for whoever asks why a trial failed. */
  async account(): Promise<string> {
    const [now] = await this.#operator
      .recovery()
      .listClusters({})
      .then(
        ({ clusters }) => clusters,
        () => [],
      );
    const said = (["db-1", "db-2"] as const).map(
      (member) => `${member}:\n${this.#stack.agent(member).text(15)}`,
    );
    const control = `control plane:\n${this.#stack.controlPlane.text(10)}`;
    return [`${now?.primary}, ${now?.phase || "no decision"}: ${now?.because}`, ...said, control].join("\n");
  }

  /** Rejects when the cluster is not whole again in time, or the record never comes. */
  async run({ change, record, moment }: CrashStep): Promise<CrashOutcome> {
    const from = await this.#whole();
    const other: Member = from === "db-1" ? "db-2" : "db-1";
    const before = await this.#highestEpoch();
    const first = this.#next;
    for (let n = 0; n < MARKERS; n++) await this.#write(from);
    const isRejoin = rejoins.includes(record);
    if (isRejoin) {
      // Only from here on: the list of standbys is revised while the node is lost, too, and that is another record.
      await this.#pair.lose(from);
      await this.#takesWrites();
    }
    const kill = await ControlKill.at(this.#stack, record, moment);
    let requestId: string | undefined;
    try {
      if (isRejoin) this.#stack.restartAgent(from);
      else if (change === "switchover") requestId = await this.#askSwitchover(other);
      else await this.#pair.lose(from);
      await kill.strike(PATIENCE_MS);
    } catch (error) {
      await kill.end();
      throw error;
    }
    await this.#stack.startControlPlane();
    const asked = requestId === undefined ? undefined : await this.#takenUp(requestId);
    await this.#takesWrites();
    if (change === "node-loss" && !isRejoin) this.#stack.restartAgent(from);
    const primary = await this.#whole();
    const acknowledged = this.#acknowledged.filter((n) => n >= first);
    const rows = await this.#pair.query(primary, `select n from marker where n >= ${first}`);
    const there = new Set(rows.map(({ n }) => n));
    const decided = await this.#decisionsSince(before);
    return {
      ...decided,
      ended: decided.ended.length === 0 && asked !== undefined ? [asked] : decided.ended,
      acknowledged: acknowledged.length,
      lost: acknowledged.filter((n) => !there.has(n)).length,
    };
  }

  readonly #acknowledged: number[] = [];

  async #write(member: Member): Promise<void> {
    const n = this.#next++;
    await this.#pair.query(member, `insert into marker values (${n})`);
    this.#acknowledged.push(n);
  }

  /** Somebody acknowledges a marker. */
  #takesWrites(): Promise<void> {
    return untilTrue(
      "a member to take writes",
      async () => {
        for (const member of ["db-1", "db-2"] as const) {
          const written = await this.#write(member).then(
            () => true,
            () => false,
          );
          if (written) return true;
        }
        return false;
      },
      PATIENCE_MS,
    );
  }

  /** Who is the primary, once the other is relied on and nothing is under way. */
  #whole(): Promise<Member> {
    return until(
      "a cluster that is whole",
      async () => {
        const [now] = (await this.#operator.recovery().listClusters({})).clusters;
        if (now === undefined || now.phase !== "" || now.eligible.length === 0) return undefined;
        const primary = now.primary === "db-1" ? "db-1" : "db-2";
        const [row] = await this.#pair.query(primary, "select pg_is_in_recovery() as standby");
        return row?.["standby"] === false ? primary : undefined;
      },
      PATIENCE_MS,
    );
  }

  async #askSwitchover(to: Member): Promise<string | undefined> {
    const wish = { cluster: "main", kind: "switchover", to };
    // What was seen of the cluster is shown once a second: a plan may speak of a moment before.
    const { planHash } = await until(
      "nothing to be against a switchover",
      async () => {
        const plan = await this.#operator.recovery().planFailover(wish);
        if (plan.against.length > 0) throw new Error(plan.against.join("; "));
        return plan;
      },
      PATIENCE_MS,
    );
    const answer = await this.#operator.recovery().requestFailover({ ...wish, planHash, reason: "a trial" });
    return answer.request?.requestId;
  }

  /** What became of what was asked for before the crash: `done` when it was begun, else `refused` or `lapsed`. */
  #takenUp(requestId: string): Promise<string> {
    return until(
      "the request to be taken up",
      async () => {
        const { requests } = await this.#operator.recovery().listRequests({ cluster: "main" });
        return requests.find((one) => one.requestId === requestId && one.state !== "waiting")?.state;
      },
      PATIENCE_MS,
    );
  }

  async #highestEpoch(): Promise<number> {
    const [row] = await this.#log("select max(epoch)::text as epoch from recovery_decision");
    return Number(row?.epoch ?? 0);
  }

  async #decisionsSince(epoch: number): Promise<Pick<CrashOutcome, "ended" | "candidates" | "faults">> {
    const entries = await this.#log(
      `select epoch::text as epoch, kind, record->>'candidate' as candidate, record->>'outcome' as outcome
       from recovery_record where epoch > ${epoch} order by position`,
    );
    const epochs = [...new Set(entries.map((entry) => entry.epoch))];
    const of = (one: string): readonly Entry[] => entries.filter((entry) => entry.epoch === one);
    const last = epochs.at(-1);
    const told =
      last === undefined
        ? undefined
        : await this.#operator.recovery().explainDecision({ cluster: "main", epoch: BigInt(last) });
    return {
      ended: epochs.map((one) => {
        const end = of(one).find(({ kind }) => kind === "closed" || kind === "aborted");
        return end === undefined ? "open" : (end.outcome ?? end.kind);
      }),
      candidates: epochs.map((one) => [
        ...new Set(of(one).flatMap(({ candidate }) => (candidate === null ? [] : [candidate]))),
      ]),
      // The whole log is judged, not this decision's part of it.
      faults: told?.faults ?? [],
    };
  }

  /** The decision log itself: what is asked of it is not what anyone else would ask. */
  async #log(text: string): Promise<readonly Entry[]> {
    const client = new pg.Client({ connectionString: this.#stack.databaseUrl });
    await client.connect();
    try {
      return (await client.query<Entry>(text)).rows;
    } finally {
      await client.end();
    }
  }
}

const cleanEnds: readonly string[] = ["done", "aborted", "lost-again", "refused", "lapsed"];

/** What is wrong with an outcome, each as a sentence; none when the change went on with its candidate or was called off. */
export function faultsOfOutcome({ ended, candidates, faults, lost }: CrashOutcome): readonly string[] {
  const wrong = [...faults];
  if (lost > 0) wrong.push(`${lost} acknowledged markers are missing`);
  if (ended.length === 0) wrong.push("no decision was made");
  for (const [index, end] of ended.entries()) {
    if (!cleanEnds.includes(end)) wrong.push(`decision ${index + 1} ended ${end}`);
    if ((candidates[index]?.length ?? 0) > 1)
      wrong.push(`decision ${index + 1} had ${candidates[index]?.join(" and ")}`);
  }
  return wrong;
}
