/**
 * Carries the open drill on, and begins what is due. What was asked for is in PostgreSQL under names of its own, so a
 * leader that is killed is followed by one that goes on with the same drill and asks for nothing twice.
 */
import { SYSTEM } from "../kernel/actor.js";
import type { Json } from "../kernel/canonical-json.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import type { Labels } from "../kernel/labels.js";
import { type Duration, type Instant, MINUTE, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import {
  chooseDrill,
  type DrillChoice,
  type DrillWorld,
  type StoodDrill,
  whyAbort,
} from "../recovery/domain/choose-drill.js";
import type { DrillDefinition, DrillKind } from "../recovery/domain/drill.js";
import type { DrillRun } from "../recovery/domain/drill-run.js";
import { endRun, readOpenRun, saveReference, standDrills } from "../recovery/recovery.module.js";
import type { Topology } from "../topology/domain/component.js";
import { type DrillDesk, note } from "./drill-desk.js";
import type { DrillHand, Seen } from "./drill-hand.js";

const EVERY: Duration = 2 * SECOND;
/** Whether something is due is looked at so often. */
const CHOOSE_EVERY: Duration = 10 * SECOND;
const SERIES_EVERY: Duration = 15 * SECOND;
/** Of a drill that the components file does not define any more. */
const AT_MOST_UNDEFINED: Duration = 15 * MINUTE;
/** Refusals that asking again would only repeat. */
const FINAL = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "FAILED_PRECONDITION",
  "PERMISSION_DENIED",
  "ABORTED",
]);

export interface DrillLoopPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly mayLead: () => boolean;
  readonly topology: () => Topology;
  readonly drills: () => readonly DrillDefinition[];
  readonly desk: DrillDesk;
  readonly hands: Readonly<Record<DrillKind, DrillHand>>;
  readonly frozen: (component: string) => string | undefined;
  /** Why nothing automatic may begin; undefined when it may. */
  readonly held: (now: Instant) => Promise<string | undefined>;
  /** Why components are to be left alone now: what is firing about them. */
  readonly trouble: () => Promise<ReadonlyMap<string, string>>;
  readonly append: (
    samples: readonly {
      readonly labels: Labels;
      readonly timestampMs: Instant;
      readonly value: number;
    }[],
  ) => Promise<void>;
}

export class DrillLoop {
  readonly loop: Loop;
  readonly #ports: DrillLoopPorts;
  #choseAt: Instant = Number.NEGATIVE_INFINITY;
  #seriesAt: Instant = Number.NEGATIVE_INFINITY;
  /** Why nothing began at the last look: said once. */
  #because = "";

  constructor(ports: DrillLoopPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "drills",
      interval: EVERY,
      deadline: 60 * SECOND,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (now) => this.run(now),
    });
  }

  async run(now: Instant): Promise<void> {
    const { database, mayLead } = this.#ports;
    if (!mayLead()) return;
    const open = await readOpenRun(database);
    if (open !== undefined) await this.carryOn(open, now);
    else if (now - this.#choseAt >= CHOOSE_EVERY) {
      this.#choseAt = now;
      await this.#begin(now);
    }
    if (now - this.#seriesAt >= SERIES_EVERY) {
      this.#seriesAt = now;
      await this.#tellObjectives(now);
    }
  }

  /** One run, one step further. */
  async carryOn(run: DrillRun, now: Instant): Promise<void> {
    const { drills, hands, trouble, database } = this.#ports;
    const drill = drills().find(({ id }) => id === run.drill);
    const hand = hands[run.kind];
    const atMost = drill?.atMost ?? AT_MOST_UNDEFINED;
    const abort = whyAbort(run, atMost, { trouble: await trouble(), now });
    if (run.reference === "") {
      if (abort !== undefined) return this.#end(run, "aborted", { because: abort, score: 0 }, undefined);
      if (drill === undefined)
        return this.#end(run, "aborted", { because: "it is not defined any more", score: 0 }, undefined);
      return this.#ask(run, drill, hand);
    }
    if (abort !== undefined) await hand.abort(run, abort);
    const seen = await hand.look(run);
    if (seen.kind === "open") return saveReference(database, run.id, run.reference, seen.because);
    return this.#ended(run, seen, abort);
  }

  async #ask(run: DrillRun, drill: DrillDefinition, hand: DrillHand): Promise<void> {
    const { database, logger, system } = this.#ports;
    try {
      const asked = await hand.ask(run, drill);
      if (asked.kind === "refused") {
        return await this.#end(run, "failed", { because: asked.because, score: 0 }, undefined);
      }
      await database.transaction(async (tx) => {
        await saveReference(tx, run.id, asked.reference, "asked for");
        const facts = { reference: asked.reference };
        await note(tx, run, "asked", run.begunBy, run.reason, facts, system.clock.now());
      });
      logger.info("a drill has begun", { drill: run.drill, runId: run.id, reference: asked.reference });
    } catch (error) {
      if (!(error instanceof OpsError) || !FINAL.has(error.code)) throw error;
      await this.#end(run, "failed", { because: messageOf(error), score: 0 }, undefined);
    }
  }

  async #ended(
    run: DrillRun,
    seen: Extract<Seen, { kind: "ended" }>,
    abort: string | undefined,
  ): Promise<void> {
    const { score, report } = seen;
    const passed = score.last === "passed";
    if (abort !== undefined && !passed) {
      return this.#end(run, "aborted", { because: `${abort}; ${score.because}`, score: 0 }, report);
    }
    return this.#end(run, passed ? "passed" : "failed", score, report);
  }

  async #end(
    run: DrillRun,
    state: "passed" | "failed" | "aborted",
    { because, score }: { readonly because: string; readonly score: number },
    report: DrillRun["report"],
  ): Promise<void> {
    const { database, logger, system } = this.#ports;
    const at = system.clock.now();
    await database.transaction(async (tx) => {
      if (!(await endRun(tx, run.id, { state, because, score, report, at }))) return;
      const told = report === undefined ? null : (JSON.parse(JSON.stringify(report)) as Json);
      await note(tx, run, state, SYSTEM, because, { score, reference: run.reference, report: told }, at);
    });
    const level = state === "passed" ? "info" : "warn";
    logger[level]("a drill has ended", { drill: run.drill, runId: run.id, state, because });
  }

  async #begin(now: Instant): Promise<void> {
    const { database, topology, desk, frozen, held, trouble, logger } = this.#ports;
    const stood = await standDrills(database, topology(), now);
    if (stood.length === 0) return;
    const troubles = await trouble();
    const against = new Map<string, string>();
    for (const { drill } of stood) {
      const why = frozen(drill.cluster) ?? troubles.get(drill.cluster);
      if (why !== undefined) against.set(drill.id, why);
    }
    // A switchover that a person asked for as a drill is one under way.
    const running = stood.find(({ standing }) => standing.last === "running");
    const world = { open: running?.drill.id, held: await held(now), against, now };
    const choice = await this.#choose(stood, world);
    if (choice.kind === "begin") {
      await desk.begin(choice.drill, `by itself: ${choice.because}`, SYSTEM);
      this.#because = "";
    } else if (choice.because !== this.#because) {
      this.#because = choice.because;
      logger.debug("no drill begins", { because: choice.because });
    }
  }

  /** The first of those that are due whose hand finds nothing against it. */
  async #choose(stood: readonly StoodDrill[], world: DrillWorld): Promise<DrillChoice> {
    const against = new Map(world.against);
    for (;;) {
      const choice = chooseDrill(stood, { ...world, against });
      if (choice.kind === "none") return choice;
      const why = await this.#ports.hands[choice.drill.kind].whyNot(choice.drill);
      if (why === undefined) return choice;
      against.set(choice.drill.id, why);
    }
  }

  /** So that rules can hold what is seen against what is wanted. */
  async #tellObjectives(at: Instant): Promise<void> {
    const samples = this.#ports.topology().flatMap(({ id, objectives }) => {
      const least = (of: "rto" | "rpo"): readonly number[] =>
        objectives.flatMap((objective) => (objective[of] === undefined ? [] : [objective[of]]));
      return (["rto", "rpo"] as const).flatMap((of) => {
        const stated = least(of);
        if (stated.length === 0) return [];
        const labels = { __name__: `mainstay_objective_${of}_seconds`, component: id };
        return [{ labels, timestampMs: at, value: Math.min(...stated) / SECOND }];
      });
    });
    await this.#ports.append(samples);
  }
}
