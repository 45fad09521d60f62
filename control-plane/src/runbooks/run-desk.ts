/** Where runs are started, decided upon and cancelled. Each change and its journal entries are one transaction. */
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import type { Role } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import type { Database } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { System } from "../platform/system.js";
import { afterCancellation, afterDecision, type Decision, newRun } from "./domain/next-run.js";
import { layOut } from "./domain/program.js";
import type { Run } from "./domain/run.js";
import { entriesOf } from "./domain/run-events.js";
import { countOpenRuns, insertRun, readRun, readRunByRequest, saveRun } from "./runs.store.js";
import type { Shelf } from "./shelf.js";

/** The live channel on which news of a run is told; the message is empty, the truth is in PostgreSQL. */
export const runChannel = (id: string): string => `run:${id}`;
/** The live channel that says that there may be something to go on with. */
export const RUNS_CHANNEL = "runs";
/** Runs that may be open at the same time; each is looked at every second. */
export const OPEN_RUNS_MAX = 100;
/** A decision that meets another writer is made anew. */
const TRIES = 10;

export interface RunRequest {
  /** Makes a repeated request harmless; told apart by requester. */
  readonly requestId: string;
  readonly runbook: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly dryRun: boolean;
  readonly requestedBy: Actor;
  readonly roles: readonly Role[];
  readonly reason: string;
  readonly traceparent: string;
}

export interface RunDeskPorts {
  readonly database: Database;
  readonly live: Live;
  readonly system: System;
  readonly shelf: Shelf;
}

export class RunDesk {
  readonly #ports: RunDeskPorts;

  constructor(ports: RunDeskPorts) {
    this.#ports = ports;
  }

  /**
   * Stores a run, which then begins. Throws NOT_FOUND for the runbook, INVALID_ARGUMENT for its parameters,
   * ALREADY_EXISTS when the request id was used for another runbook, RESOURCE_EXHAUSTED when too many runs are open.
   */
  async start(request: RunRequest): Promise<Run> {
    const { database, system, shelf } = this.#ports;
    const { requestedBy: by } = request;
    const what = `run runbook "${request.runbook}"`;
    const requestKey = `${by.kind}/${by.name}/${request.requestId}`;
    const known = await readRunByRequest(database, requestKey);
    if (known !== undefined) {
      if (known.runbook === request.runbook && known.dryRun === request.dryRun) return known;
      const other = `request id "${request.requestId}" was used for another run, ${known.id}`;
      throw new OpsError("ALREADY_EXISTS", `${what}: ${other}`);
    }
    const shelved = shelf.books.get(request.runbook);
    if (shelved === undefined) {
      const names = [...shelf.books.keys()].join(", ") || "none";
      throw new OpsError("NOT_FOUND", `${what}: there is none in force; there are ${names}`);
    }
    const laid = layOut(shelved.book, request.parameters, shelf.plain);
    if ("faults" in laid) throw new OpsError("INVALID_ARGUMENT", `${what}: ${laid.faults.join("; ")}`);
    if ((await countOpenRuns(database)) >= OPEN_RUNS_MAX)
      throw new OpsError(
        "RESOURCE_EXHAUSTED",
        `${what}: ${OPEN_RUNS_MAX} runs are open, and there may be no more`,
      );
    const now = system.clock.now();
    const run = newRun({
      id: system.draws.id(now),
      runbook: request.runbook,
      digest: shelved.digest,
      program: laid.program,
      parameters: laid.values,
      dryRun: request.dryRun,
      requestedBy: by,
      roles: request.roles,
      reason: request.reason,
      traceparent: request.traceparent,
      startedAt: now,
    });
    const stored = await database.transaction(async (tx) => {
      if (!(await insertRun(tx, run, requestKey))) return false;
      await appendEntries(tx, entriesOf(undefined, run, by));
      return true;
    });
    this.tell(run);
    return stored ? run : ((await readRunByRequest(database, requestKey)) ?? run);
  }

  decide(
    id: string,
    step: string,
    approve: boolean,
    by: Actor,
    roles: readonly Role[],
    reason: string,
  ): Promise<Run> {
    return this.#change(id, approve ? "approve" : "reject", by, (run) =>
      afterDecision(run, step, approve, by, roles, reason),
    );
  }

  cancel(id: string, by: Actor, reason: string): Promise<Run> {
    return this.#change(id, "cancel", by, (run) => afterCancellation(run, by, reason));
  }

  /** Stores what became of a run; false when it has moved on meanwhile. */
  async save(before: Run, run: Run, by?: Actor): Promise<boolean> {
    const saved = await this.#ports.database.transaction(async (tx) => {
      if (!(await saveRun(tx, run))) return false;
      await appendEntries(tx, entriesOf(before, run, by));
      return true;
    });
    if (saved) this.tell(run);
    return saved;
  }

  tell(run: Run): void {
    this.#ports.live.publish(runChannel(run.id), "");
    if (run.endedAt === undefined) this.#ports.live.publish(RUNS_CHANNEL, run.id);
  }

  async #change(id: string, verb: string, by: Actor, decide: (run: Run) => Decision): Promise<Run> {
    const { database, system } = this.#ports;
    for (let tried = 0; tried < TRIES; tried++) {
      const run = await readRun(database, id);
      if (run === undefined) throw new OpsError("NOT_FOUND", `${verb} run "${id}": there is none`);
      const decision = decide(run);
      if (decision.kind === "keep") {
        const code = decision.denied ? "PERMISSION_DENIED" : "FAILED_PRECONDITION";
        throw new OpsError(code, `${verb} run "${id}": ${decision.because}`);
      }
      const next = { ...decision.run, changedAt: system.clock.now() };
      if (await this.save(run, next, by)) return next;
    }
    throw new OpsError("ABORTED", `${verb} run "${id}": it changes too fast; try again`);
  }
}
