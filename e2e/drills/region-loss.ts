/**
 * A whole region is lost while a client makes orders by its name: how long no order was taken, which acknowledged orders are
 * missing where the name leads then, and what each part took of its budget.
 */
import { loadavg } from "node:os";
import type { ExplainRegionResponse } from "@mainstay/proto/gen/mainstay/operator/v1/region_pb";
import { RegionHouse, WEST_ADDRESS } from "../harness/region-house.js";
import { ended, planned } from "../harness/regions.js";
import { pause, until } from "../harness/until.js";
import type { DrillReport } from "./report.js";

const GOAL_MS = 60_000;
const PATIENCE_MS = 180_000;
const LEAD_MS = 2_000;
const BETWEEN_MS = 50;

/** Orders of one client: to the east's database itself as long as the name leads there, then to the API in the west. */
class Orders {
  readonly acknowledged: string[] = [];
  /** The first that was taken in the west, by the time since the process began. */
  firstInWestAt: number | undefined;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(house: RegionHouse) {
    this.#done = this.#order(house);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #order(house: RegionHouse): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const marker = `order-${n}`;
      try {
        const [address] = await house.addresses();
        if (address === WEST_ADDRESS) {
          const sent = { method: "POST", body: JSON.stringify({ marker }) };
          const answer = await fetch(`${house.api}/orders`, { ...sent, signal: AbortSignal.timeout(2_000) });
          if (answer.status !== 201) throw new Error(`status ${answer.status}`);
          this.firstInWestAt ??= performance.now();
        } else {
          await house.pair.query("db-1", `insert into orders values ('${marker}')`);
        }
        this.acknowledged.push(marker);
      } catch {
        // What was not acknowledged is never sent again: its fate is unknown, and it counts for nothing.
      }
      await pause(BETWEEN_MS);
    }
  }
}

async function run(house: RegionHouse): Promise<DrillReport> {
  const { operator } = house;
  await planned(operator, "east", ({ kind, steps }) => kind === "move" && steps[1]?.to === "ready");
  const orders = new Orders(house);
  await pause(LEAD_MS);
  const load = loadavg()[0] ?? 0;
  const lostAt = performance.now();
  await house.loseEast();
  const plan = await planned(operator, "east", ({ kind }) => kind === "loss");
  const askedAt = performance.now();
  await operator.region().runRegion({ region: "east", planHash: plan.planHash, reason: "a drill" });
  const story = await ended(operator, "east", PATIENCE_MS);
  await until("an order to be taken in the west", () => orders.firstInWestAt, PATIENCE_MS);
  await pause(LEAD_MS);
  await orders.stop();
  const rows = await house.pair.query("db-2", "select marker from orders where marker like 'order-%'");
  const there = new Set(rows.map(({ marker }) => marker));
  const missing = orders.acknowledged.filter((marker) => !there.has(marker)).length;
  const away = (orders.firstInWestAt ?? Number.POSITIVE_INFINITY) - lostAt;
  const took = Number(story.run?.tookMs ?? Number.POSITIVE_INFINITY);
  return {
    passed: story.run?.phase === "closed" && missing === 0 && took <= GOAL_MS,
    lines: [
      `load ${load.toFixed(1)}; database, Redis and Vault of the east were killed at once`,
      `it was seen as lost and asked for after ${ms(askedAt - lostAt)}; everything was verified ${ms(took)} after the loss (goal ${ms(GOAL_MS)})`,
      `a client's orders were not taken for ${ms(away)}, by a name of 3 s; ${orders.acknowledged.length} were acknowledged, ${missing} of them are missing`,
      ...tableOf(story),
    ],
  };
}

const ms = (value: number): string => `${(value / 1_000).toFixed(1)} s`;

function tableOf({ steps, components, records, run: told }: ExplainRegionResponse): readonly string[] {
  const start = told?.lostAt === undefined ? 0 : instant(told.lostAt);
  const doneAt = (step: string): number => {
    const at = records.find(({ kind, says }) => kind === "done" && says.startsWith(`${step} `))?.at;
    return at === undefined ? Number.NaN : instant(at) - start;
  };
  const rows = [
    ["step", "took", "budget", "verified after"],
    ...steps.map(({ step, tookMs, budgetMs }) => [
      step,
      ms(Number(tookMs ?? 0n)),
      ms(Number(budgetMs)),
      ms(doneAt(step)),
    ]),
    ["component", "away", "RTO", "missing"],
    ...components.map((one) => [
      one.component,
      ms(Number(one.rtoMs ?? 0n)),
      ms(Number(one.rtoObjectiveMs ?? 0n)),
      one.missingUnknown ? "unknown" : one.missingMs === undefined ? "-" : ms(Number(one.missingMs)),
    ]),
  ];
  return rows.map(
    ([name = "", ...cells]) => `  ${name.padEnd(12)}${cells.map((cell) => cell.padStart(16)).join("")}`,
  );
}

const instant = ({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): number =>
  Number(seconds) * 1_000 + nanos / 1e6;

/** Starts two regions of its own, and takes them down again. */
export async function regionLoss(): Promise<DrillReport> {
  const house = await RegionHouse.start();
  try {
    return await run(house);
  } finally {
    await house.stop();
  }
}
