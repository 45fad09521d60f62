/** Begins drills and calls them off: one at a time, never in a freeze, each step in the journal. */
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { DrillDefinition, DrillKind } from "../recovery/domain/drill.js";
import type { DrillRun } from "../recovery/domain/drill-run.js";
import { insertRun, readOpenRun, readRun, saveAbort } from "../recovery/recovery.module.js";
import type { DrillHand } from "./drill-hand.js";

const REASON_MAX = 1_000;

export interface DrillDeskPorts {
  readonly database: Database;
  readonly system: System;
  readonly drills: () => readonly DrillDefinition[];
  readonly hands: Readonly<Record<DrillKind, DrillHand>>;
  /** The freeze that holds a component now; undefined when none does. */
  readonly frozen: (component: string) => string | undefined;
  /** A moment of the past that a restore is to be to; undefined when nothing tells which there are. */
  readonly anyMoment: (drill: DrillDefinition) => Promise<string | undefined>;
  readonly wake: () => void;
}

export class DrillDesk {
  readonly #ports: DrillDeskPorts;

  constructor(ports: DrillDeskPorts) {
    this.#ports = ports;
  }

  /** What a person begins. Throws NOT_FOUND, and FAILED_PRECONDITION when a freeze holds or another drill is under way. */
  async run(id: string, reason: string, by: Actor): Promise<DrillRun> {
    const drill = this.#ports.drills().find((one) => one.id === id);
    if (drill === undefined)
      throw new OpsError("NOT_FOUND", `there is no drill "${cleanText(id, 100)}" in the components file`);
    const why = await this.#ports.hands[drill.kind].whyNot(drill);
    if (why !== undefined) throw new OpsError("FAILED_PRECONDITION", `drill "${drill.id}": ${why}`);
    const run = await this.begin(drill, readReason(reason), by);
    if (run !== undefined) return run;
    const open = await readOpenRun(this.#ports.database);
    const which = open === undefined ? "another" : `"${open.drill}" (run ${open.id})`;
    throw new OpsError(
      "FAILED_PRECONDITION",
      `drill "${id}": ${which} is under way, and there is never a second one`,
    );
  }

  /** Undefined when another drill is under way. Throws FAILED_PRECONDITION when a freeze holds. */
  async begin(drill: DrillDefinition, reason: string, by: Actor): Promise<DrillRun | undefined> {
    const { database, system, hands, frozen, anyMoment, wake } = this.#ports;
    const held = frozen(drill.cluster);
    if (held !== undefined) throw new OpsError("FAILED_PRECONDITION", `drill "${drill.id}": ${held}`);
    const begunAt = system.clock.now();
    const run: DrillRun = {
      id: system.draws.id(begunAt),
      drill: drill.id,
      component: drill.cluster,
      kind: drill.kind,
      begunBy: by,
      reason,
      begunAt,
      reach: hands[drill.kind].reach(drill),
      to: drill.restore?.to === "any" ? await anyMoment(drill) : undefined,
      state: "open",
      reference: "",
      abortBecause: "",
      because: "not asked for yet",
      score: 0,
      report: undefined,
      endedAt: undefined,
    };
    const stored = await database.transaction(async (tx) => {
      if (!(await insertRun(tx, run))) return false;
      await note(tx, run, "begun", by, reason, { reach: run.reach, to: run.to ?? "" }, begunAt);
      return true;
    });
    if (!stored) return undefined;
    wake();
    return run;
  }

  /** Throws NOT_FOUND, and FAILED_PRECONDITION when it has ended. */
  async abort(id: string, reason: string, by: Actor): Promise<DrillRun> {
    const { database, system, wake } = this.#ports;
    const run = await readRun(database, id);
    if (run === undefined)
      throw new OpsError("NOT_FOUND", `there is no run "${cleanText(id, 100)}" of a drill`);
    const because = `${by.name}: ${readReason(reason)}`;
    await database.transaction(async (tx) => {
      if (!(await saveAbort(tx, id, because)))
        throw new OpsError(
          "FAILED_PRECONDITION",
          `run "${id}" of drill "${run.drill}" has ended: ${run.state}`,
        );
      await note(tx, run, "abort-wanted", by, because, {}, system.clock.now());
    });
    wake();
    return (await readRun(database, id)) ?? run;
  }
}

/** An entry of the journal about a run. */
export async function note(
  tx: Transaction,
  run: DrillRun,
  event: "begun" | "asked" | "abort-wanted" | "passed" | "failed" | "aborted",
  actor: Actor,
  because: string,
  facts: Parameters<typeof appendEntries>[1][number]["facts"],
  at: number,
): Promise<void> {
  const { id, drill, component, kind } = run;
  await appendEntries(tx, [
    {
      at,
      kind: `drill.${event}`,
      subject: `drill:${drill}`,
      actor,
      because,
      facts: { runId: id, component, kind, ...facts },
    },
  ]);
}

function readReason(text: string): string {
  const reason = cleanText(text, REASON_MAX).trim();
  if (reason === "") throw new OpsError("INVALID_ARGUMENT", "reason: empty, expected why");
  return reason;
}
