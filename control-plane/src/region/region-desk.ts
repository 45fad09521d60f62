/** What people ask of regions: planned, begun by the plan's hash, answered by another, aborted; all of it in the journal. */
import type { Actor } from "../kernel/actor.js";
import type { Caller } from "../kernel/caller.js";
import { canonicalJson, type Json } from "../kernel/canonical-json.js";
import { cleanText } from "../kernel/clean-text.js";
import { OpsError } from "../kernel/errors.js";
import { isOnePerson } from "../kernel/one-person.js";
import type { Database } from "../platform/postgres/database.js";
import { type System, sha256Hex } from "../platform/system.js";
import type { Topology } from "../topology/domain/component.js";
import type { CascadeRecord } from "./domain/cascade.js";
import { abortCascade } from "./domain/next-cascade.js";
import { boundOf, planRun, type RunPlan } from "./domain/plan-run.js";
import type { RegionPlan } from "./domain/region-plan.js";
import { changeRun, insertRun, type RegionRun, readRun, readStandings, readTook } from "./region.store.js";

const REASON_MAX = 1_000;

export interface RegionDeskPorts {
  readonly database: Database;
  readonly system: System;
  readonly regions: () => readonly RegionPlan[];
  readonly topology: () => Topology;
  /** Something is to be taken up; on another replica it is found at its next beat. */
  readonly wake: () => void;
}

export interface HashedPlan extends RunPlan {
  readonly hash: string;
}

export class RegionDesk {
  readonly #ports: RegionDeskPorts;

  constructor(ports: RegionDeskPorts) {
    this.#ports = ports;
  }

  /** Throws NOT_FOUND. Changes nothing. */
  async plan(region: string): Promise<HashedPlan> {
    const { database, system, topology } = this.#ports;
    const plan = this.#need(region);
    const newest = await readRun(database, region, 0);
    const planned = planRun({
      plan,
      topology: topology(),
      standings: await readStandings(database, region),
      took: await readTook(database, region),
      epochTaken: newest?.epoch ?? 0,
      openEpoch: newest === undefined || newest.endedAt !== undefined ? undefined : newest.epoch,
      now: system.clock.now(),
    });
    const text = canonicalJson(JSON.parse(JSON.stringify(boundOf(plan, planned))) as Json);
    return { ...planned, hash: sha256Hex(text) };
  }

  /** Throws ABORTED when `planHash` is not the hash of what would be done, FAILED_PRECONDITION when something is against it. */
  async run(region: string, planHash: string, reason: string, by: Caller): Promise<RegionRun> {
    const { database, system, wake } = this.#ports;
    const because = readReason(reason);
    const planned = await this.plan(region);
    if (planned.hash !== planHash)
      throw new OpsError("ABORTED", `region "${region}": the plan has another hash by now (${planned.hash})`);
    if (planned.against.length > 0)
      throw new OpsError("FAILED_PRECONDITION", `region "${region}": ${planned.against.join("; ")}`);
    const now = system.clock.now();
    const { lostAt, lost, doubts, epoch } = planned;
    const begun: CascadeRecord = {
      at: now,
      kind: "begun",
      by: by.actor.name,
      reason: because,
      planHash,
      lostAt,
      lost,
      doubts,
    };
    const run = {
      region,
      epoch,
      plan: this.#need(region),
      planHash,
      requestedBy: by.actor,
      roles: by.roles,
      reason: because,
      startedAt: now,
    };
    const isNew = await database.transaction((tx) => insertRun(tx, run, [begun]));
    if (!isNew) throw new OpsError("ABORTED", `region "${region}": another run was begun meanwhile`);
    wake();
    return this.#read(region, epoch);
  }

  /**
   * Another person's yes or no, or whoever's word to go on with what takes long. Throws PERMISSION_DENIED for the one who
   * asked for the run, and for who may not approve.
   */
  async decide(
    region: string,
    epoch: number,
    answer: "approve" | "refuse" | "continue",
    reason: string,
    { actor: by, roles }: Caller,
  ): Promise<RegionRun> {
    const said = readReason(reason);
    return this.#change(region, epoch, by, ({ state, requestedBy }, at) => {
      const place = `run ${epoch} of region "${region}"`;
      const wanted = answer === "continue" ? state.question !== null : state.phase === "awaiting-approval";
      if (!wanted) {
        const waits = answer === "continue" ? "asks nothing" : `does not wait for approval: ${state.phase}`;
        throw new OpsError("FAILED_PRECONDITION", `${place} ${waits}`);
      }
      // What more than the RPO may be lost for is no one person's to say.
      const needsAnother = answer !== "continue" || state.question?.about !== "budget";
      if (needsAnother && !roles.some((role) => role === "approver" || role === "admin")) {
        throw new OpsError("PERMISSION_DENIED", `${place}: to ${answer} it needs role approver or admin`);
      }
      if (needsAnother && answer !== "refuse" && isOnePerson(requestedBy, by)) {
        throw new OpsError(
          "PERMISSION_DENIED",
          `${place}: ${by.name} asked for it: another person has to answer`,
        );
      }
      const kind = { approve: "approved", refuse: "refused", continue: "answered" } as const;
      return [{ at, kind: kind[answer], by: by.name, reason: said }];
    });
  }

  /** Throws FAILED_PRECONDITION when it is over. */
  async abort(region: string, epoch: number, reason: string, by: Actor): Promise<RegionRun> {
    const because = readReason(reason);
    return this.#change(region, epoch, by, ({ plan, state }, at) => {
      const records = abortCascade(plan, state, by.name, because, at);
      if (records.length > 0) return records;
      throw new OpsError("FAILED_PRECONDITION", `run ${epoch} of region "${region}" is over: ${state.phase}`);
    });
  }

  async #change(
    region: string,
    epoch: number,
    by: Actor,
    decide: (run: RegionRun, at: number) => readonly CascadeRecord[],
  ): Promise<RegionRun> {
    const { database, system, wake } = this.#ports;
    const changed = await changeRun(database, { region, epoch }, by, async (run) =>
      decide(run, system.clock.now()),
    );
    if (changed === undefined) throw noRun(region, epoch);
    wake();
    return changed.run;
  }

  async #read(region: string, epoch: number): Promise<RegionRun> {
    const run = await readRun(this.#ports.database, region, epoch);
    if (run === undefined) throw noRun(region, epoch);
    return run;
  }

  #need(region: string): RegionPlan {
    const plan = this.#ports.regions().find(({ id }) => id === region);
    if (plan !== undefined) return plan;
    throw new OpsError("NOT_FOUND", `there is no region "${cleanText(region, 100)}" in the regions file`);
  }
}

export const noRun = (region: string, epoch: number): OpsError =>
  new OpsError("NOT_FOUND", `region "${cleanText(region, 100)}" has no run ${epoch}`);

function readReason(text: string): string {
  const reason = cleanText(text, REASON_MAX).trim();
  if (reason === "") throw new OpsError("INVALID_ARGUMENT", "reason: empty, expected why");
  return reason;
}
