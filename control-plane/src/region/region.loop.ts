/**
 * Drives the runs of region plans while this replica leads. What a run waits for follows from what is stored; what is heard
 * is decided upon under the run's lock and stored before anything of it is done. Between runs it looks at every part, so
 * that what a move would cost is known before it is needed.
 */
import { appendEntries } from "../journal/journal.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { messageOf } from "../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { Topology } from "../topology/domain/component.js";
import { isLeftBehind } from "./domain/left-behind.js";
import { type Answer, nextCascade, type Want, wantsOf } from "./domain/next-cascade.js";
import { rpoOf } from "./domain/plan-run.js";
import type { RegionPlan, RegionStep } from "./domain/region-plan.js";
import { missingOf, nextStanding, type Standing } from "./domain/standing.js";
import { bindDriver, type Drivers, type Errand } from "./driver.js";
import {
  changeRun,
  type RegionRun,
  readNewestRuns,
  readOpenRuns,
  readStandings,
  saveStanding,
} from "./region.store.js";

const BEAT: Duration = 200;
/** What was asked is not asked again before. */
const AGAIN_AFTER: Readonly<Record<Want["kind"], Duration>> = { look: 500, act: SECOND, verify: 300 };
const WATCH_EVERY: Duration = 5 * SECOND;
/** Parts that are looked at at the same time. */
const WATCHED_AT_ONCE = 4;

export interface RegionLoopPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly mayLead: () => boolean;
  /** Asked in the transaction that writes: a replica that was succeeded writes nothing. */
  readonly stillLeads: (tx: Queryable) => Promise<boolean>;
  readonly regions: () => readonly RegionPlan[];
  readonly topology: () => Topology;
  readonly drivers: Drivers;
}

export class RegionLoop {
  readonly loop: Loop;
  readonly #ports: RegionLoopPorts;
  /** By run and step: what is asked now, and before when it is not asked again. */
  readonly #asking = new Map<string, { readonly until: Promise<void>; notBefore: Instant }>();
  #watchedAt: Instant = 0;
  #watching: Promise<void> | undefined;

  constructor(ports: RegionLoopPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "regions",
      interval: BEAT,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (_now, signal) => this.run(signal),
    });
  }

  wake(): void {
    this.loop.wake();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await this.settled();
  }

  /** Resolves when what is asked now was answered. */
  async settled(): Promise<void> {
    await Promise.all([...this.#asking.values()].map(({ until }) => until));
    await this.#watching;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { database, mayLead, system } = this.#ports;
    if (!mayLead()) return;
    const now = system.clock.now();
    const open = await readOpenRuns(database);
    if (signal.aborted) return;
    for (const run of open) await this.#carryOn(run, now);
    this.#forget(open, now);
    if (now - this.#watchedAt >= WATCH_EVERY && this.#watching === undefined) {
      this.#watchedAt = now;
      this.#watching = this.#watch()
        .catch((error: unknown) => this.#ports.logger.warn("regions could not be looked at", {}, error))
        .finally(() => {
          this.#watching = undefined;
        });
    }
  }

  async #carryOn(run: RegionRun, now: Instant): Promise<void> {
    if (nextCascade(run.plan, run.state, undefined, now).length > 0) await this.#decide(run, undefined);
    for (const want of wantsOf(run.plan, run.state)) {
      const key = keyOf(run, want);
      const asked = this.#asking.get(key);
      if (asked !== undefined && asked.notBefore > now) continue;
      const entry = { until: this.#ask(run, want, key), notBefore: Number.POSITIVE_INFINITY };
      this.#asking.set(key, entry);
    }
  }

  async #ask(run: RegionRun, want: Want, key: string): Promise<void> {
    const { logger, system } = this.#ports;
    try {
      const answer = await this.#answer(run, want);
      if (await this.#decide(run, { want, answer })) this.loop.wake();
    } catch (error) {
      // It is asked again; what it had led to is stored, or was not done.
      logger.warn(
        "a step of a region's failover was not heard",
        { region: run.region, step: want.step },
        error,
      );
    } finally {
      const asked = this.#asking.get(key);
      if (asked !== undefined) asked.notBefore = system.clock.now() + AGAIN_AFTER[want.kind];
    }
  }

  async #answer(run: RegionRun, want: Want): Promise<Answer> {
    const step = run.plan.steps.find(({ id }) => id === want.step);
    if (step === undefined) return { kind: "failed", because: "the plan has no such step" };
    const driver = bindDriver(this.#ports.drivers, step.target);
    try {
      switch (want.kind) {
        case "look":
          return await this.#look(run, step);
        case "act":
          return await driver.act(errandOf(run, step));
        case "verify":
          return await driver.verify(errandOf(run, step));
      }
    } catch (error) {
      return { kind: "failed", because: messageOf(error) };
    }
  }

  async #look(run: RegionRun, step: RegionStep): Promise<Answer> {
    const { database, topology } = this.#ports;
    const before = (await readStandings(database, run.region)).get(step.id);
    const standing = await this.#observe(run.plan, step, before);
    const missingMs = missingOf(standing);
    const isBack = run.state.lost.includes(step.id) && standing.from === "alive";
    return {
      kind: "seen",
      because: standing.because,
      rpo: rpoOf(step, topology()),
      ...(missingMs === undefined ? {} : { missingMs }),
      ...(isBack
        ? { doubt: `${step.id} was lost and works again in ${run.region}: ${standing.because}` }
        : {}),
    };
  }

  /** True when something was written down. */
  async #decide(
    run: RegionRun,
    heard: { readonly want: Want; readonly answer: Answer } | undefined,
  ): Promise<boolean> {
    const { database, system, stillLeads, logger } = this.#ports;
    const changed = await changeRun(database, run, SYSTEM, async (current, tx) =>
      (await stillLeads(tx)) ? nextCascade(current.plan, current.state, heard, system.clock.now()) : [],
    );
    for (const record of changed?.records ?? []) {
      const facts = { region: run.region, epoch: run.epoch };
      if (record.kind === "asked")
        logger.error("a region's failover needs a person", { ...facts, says: record.says });
      if (record.kind === "over-budget")
        logger.warn("a step is over its budget", { ...facts, step: record.step });
      if (record.kind === "closed") logger.info("a region was moved", { ...facts, tookMs: record.tookMs });
      if (record.kind === "aborted") logger.warn("a region's failover was aborted", facts);
    }
    return (changed?.records.length ?? 0) > 0;
  }

  async #observe(plan: RegionPlan, step: RegionStep, before: Standing | undefined): Promise<Standing> {
    const { database, system, drivers } = this.#ports;
    const seen = await bindDriver(drivers, step.target).observe(before);
    const standing = nextStanding(before, seen, system.clock.now());
    await saveStanding(database, plan.id, step.id, standing);
    return standing;
  }

  /** Looks at each part; what was left behind by the newest run and works again is made to follow. */
  async #watch(): Promise<void> {
    const { database, regions, logger } = this.#ports;
    const newest = await readNewestRuns(database);
    const work = regions().flatMap((plan) => plan.steps.map((step) => ({ plan, step })));
    const standings = new Map(
      await Promise.all(regions().map(async ({ id }) => [id, await readStandings(database, id)] as const)),
    );
    const left = work.values();
    const look = async (): Promise<void> => {
      for (const { plan, step } of left) {
        try {
          const standing = await this.#observe(plan, step, standings.get(plan.id)?.get(step.id));
          const run = newest.find(({ region }) => region === plan.id);
          if (isLeftBehind(run, step, standing, newest)) await this.#rejoin(plan, step);
        } catch (error) {
          const facts = { region: plan.id, step: step.id, because: messageOf(error) };
          logger.debug("a part of a region could not be looked at", facts);
        }
      }
    };
    await Promise.all(Array.from({ length: WATCHED_AT_ONCE }, look));
  }

  async #rejoin(plan: RegionPlan, step: RegionStep): Promise<void> {
    const { database, drivers, logger, stillLeads, system } = this.#ports;
    if (!(await stillLeads(database))) return;
    const because = await bindDriver(drivers, step.target).rejoin();
    if (because === undefined) return;
    logger.info("what was left behind follows", { region: plan.id, step: step.id, because });
    const entry = {
      at: system.clock.now(),
      kind: "region.rejoined",
      subject: `region:${plan.id}`,
      actor: SYSTEM,
      because: `${step.id} was left behind and works again: ${because}`,
      facts: { step: step.id },
    };
    await database.transaction((tx) => appendEntries(tx, [entry]));
  }

  #forget(open: readonly RegionRun[], now: Instant): void {
    const runs = new Set(open.map(({ region, epoch }) => `${region}/${epoch}/`));
    for (const [key, { notBefore }] of this.#asking) {
      if (notBefore <= now && ![...runs].some((run) => key.startsWith(run))) this.#asking.delete(key);
    }
  }
}

const keyOf = ({ region, epoch }: RegionRun, { kind, step }: Want): string =>
  `${region}/${epoch}/${step}/${kind}`;

const errandOf = (run: RegionRun, step: RegionStep): Errand => {
  const { region, epoch, requestedBy, roles, startedAt } = run;
  return { region, epoch, step: step.id, by: requestedBy, roles, begunAt: startedAt };
};
