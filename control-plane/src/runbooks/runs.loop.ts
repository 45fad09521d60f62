/**
 * Carries runs on: asks what each waits for, decides, stores; and starts what is scheduled. The state is in PostgreSQL
 * alone and every request has a name of its own, so whoever dies in between loses and repeats nothing.
 */
import { listNodes } from "../fleet/fleet.module.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import { HOUR, type Instant, SECOND } from "../kernel/time.js";
import { childSpan, formatTraceparent } from "../kernel/trace.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { System } from "../platform/system.js";
import type { Value } from "../promql/value.js";
import { type Cron, nextMoment, parseCron } from "./domain/cron.js";
import type { Finding } from "./domain/expectation.js";
import { nextRun } from "./domain/next-run.js";
import type { Run } from "./domain/run.js";
import { type Answer, type Want, wantsOf } from "./domain/want.js";
import type { Hand } from "./hand.js";
import { OPEN_RUNS_MAX, RUNS_CHANNEL, type RunDesk } from "./run-desk.js";
import { knownSince, readOpenRuns } from "./runs.store.js";
import type { Shelf } from "./shelf.js";

/** Runs that are carried on at the same time. */
const AT_ONCE = 4;
/** Steps that need nobody are done at once, but a run is not to keep the others waiting. */
const ROUNDS_MAX = 20;
/** A scheduled moment that was missed is made up for when it is not longer ago. */
const GRACE = HOUR;
const NODES_MAX = 10_000;

export interface RunnerPorts {
  readonly database: Database;
  readonly desk: RunDesk;
  readonly hand: Hand;
  readonly shelf: Shelf;
  /** Throws OpsError: INVALID_ARGUMENT when the query can have no answer. */
  readonly query: (expr: string, at: Instant, signal: AbortSignal) => Promise<Value>;
  readonly mayLead: () => boolean;
  readonly live: Live;
  readonly system: System;
  readonly logger: Logger;
}

export class Runner {
  readonly loop: Loop;
  readonly #ports: RunnerPorts;
  #unsubscribe: () => void = () => {};
  /** The minute in which schedules were last looked at. */
  #lookedAt = 0;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "runbooks.runs",
      interval: SECOND,
      deadline: 60 * SECOND,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (now, signal) => this.run(now, signal),
    });
  }

  start(): void {
    this.#unsubscribe = this.#ports.live.subscribe(RUNS_CHANNEL, () => this.loop.wake());
    this.loop.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.loop.stop();
  }

  async run(now: Instant, signal: AbortSignal): Promise<void> {
    if (!this.#ports.mayLead()) return;
    await this.#startScheduled(now);
    const waiting = (await readOpenRuns(this.#ports.database, OPEN_RUNS_MAX)).values();
    const work = async (): Promise<void> => {
      for (const run of waiting) if (!signal.aborted) await this.carryOn(run, signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /** One run, as far as it goes now. */
  async carryOn(run: Run, signal: AbortSignal): Promise<void> {
    const { desk, system } = this.#ports;
    let current = run;
    for (let round = 0; round < ROUNDS_MAX && !signal.aborted; round++) {
      const now = system.clock.now();
      const wants = wantsOf(current, now);
      const answers = await Promise.all(
        wants.map(
          async (want): Promise<[string, Answer]> => [
            want.key,
            await this.#answer(current, want, now, signal),
          ],
        ),
      );
      const next = nextRun(current, new Map(answers), system.clock.now());
      if (next === current || !(await desk.save(current, next))) return;
      if (next.endedAt !== undefined) {
        const { id, runbook, state, because } = next;
        this.#ports.logger.info("a runbook's run has ended", { runId: id, runbook, state, because });
        return;
      }
      current = next;
    }
  }

  async #answer(run: Run, want: Want, now: Instant, signal: AbortSignal): Promise<Answer> {
    const { hand, query, database } = this.#ports;
    try {
      switch (want.kind) {
        case "question":
          return { kind: "samples", findings: findingsOf(await query(want.query, now, signal)) };
        case "nodes": {
          const nodes = await listNodes(database, {
            after: undefined,
            liveness: undefined,
            limit: NODES_MAX,
          });
          const named = nodes.filter(
            ({ labels, name, revokedAt }) =>
              revokedAt === undefined &&
              Object.entries(want.labels).every(
                ([label, value]) => ({ ...labels, node: name })[label] === value,
              ),
          );
          return { kind: "nodes", nodes: named.map(({ name }) => name) };
        }
        case "request":
          return await hand.request(run, want);
        case "command":
          return await hand.command(run, want);
        case "cancel":
          return await hand.cancel(run, want);
        case "find":
          return await hand.find(run, want);
        case "undo":
          return await hand.undo(run, want);
      }
    } catch (error) {
      const because = messageOf(error);
      return { kind: error instanceof OpsError && FINAL.has(error.code) ? "refused" : "unknown", because };
    }
  }

  /** Starts what is due; once for each moment, whoever looks. */
  async #startScheduled(now: Instant): Promise<void> {
    const minute = Math.floor(now / (60 * SECOND));
    if (minute === this.#lookedAt) return;
    const { shelf, database, desk, logger, system } = this.#ports;
    for (const [runbook, { book }] of shelf.books) {
      const { schedule } = book;
      const cron = schedule && parseCron(schedule.cron, schedule.timeZone);
      if (schedule === undefined || cron === undefined || typeof cron === "string") continue;
      const since = await knownSince(
        database,
        { runbook, cron: schedule.cron, timeZone: schedule.timeZone },
        now,
      );
      const due = lastMoment(cron, Math.max(since, now - GRACE), now);
      if (due === undefined) continue;
      try {
        await desk.start({
          requestId: `${runbook}/${due}`,
          runbook,
          parameters: schedule.parameters,
          dryRun: false,
          requestedBy: { kind: "schedule", name: runbook },
          roles: [],
          reason: `it is due: ${schedule.cron} in ${schedule.timeZone}`,
          traceparent: formatTraceparent(childSpan(undefined, system.draws.hex)),
        });
      } catch (error) {
        logger.warn("a scheduled runbook could not be started", { runbook }, error);
      }
    }
    this.#lookedAt = minute;
  }
}

/** The latest moment after `from` that is not after `to`: of several that were missed, one is made up for. */
function lastMoment(cron: Cron, from: Instant, to: Instant): Instant | undefined {
  let last: Instant | undefined;
  for (let at = nextMoment(cron, from); at !== undefined && at <= to; at = nextMoment(cron, at)) last = at;
  return last;
}

/** What the same question will not change. */
const FINAL: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "FAILED_PRECONDITION",
  "PERMISSION_DENIED",
  "ALREADY_EXISTS",
]);

function findingsOf(value: Value): readonly Finding[] {
  switch (value.kind) {
    case "vector":
      return value.samples.map(({ labels, value: number }) => ({ labels, value: number }));
    case "scalar":
      return [{ labels: {}, value: value.value }];
    default:
      throw new OpsError(
        "INVALID_ARGUMENT",
        `the query gives a ${value.kind}, expected an instant vector or a number`,
      );
  }
}
