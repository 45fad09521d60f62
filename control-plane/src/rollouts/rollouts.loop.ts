/**
 * Moves rollouts on: one step each, stored, and then what follows from what is stored. Each of these may be done twice, so
 * a crash in between, or another replica at the same time, does nothing to a target twice.
 */
import type { CommandDesk } from "../commands/commands.module.js";
import { SYSTEM } from "../kernel/actor.js";
import { messageOf, OpsError } from "../kernel/errors.js";
import { commandId } from "../kernel/ids.js";
import { type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database, Queryable } from "../platform/postgres/database.js";
import type { Live } from "../platform/redis/live.js";
import type { System } from "../platform/system.js";
import type { Value } from "../promql/value.js";
import { chooseEffects, type Effect } from "./domain/choose-effects.js";
import { judgeGate } from "./domain/judge-gate.js";
import type { Health } from "./domain/next-rollout.js";
import type { Rollout, Target } from "./domain/rollout.js";
import { ROLLOUTS_CHANNEL, type RolloutDesk } from "./rollout-desk.js";
import {
  readMoving,
  readRollout,
  readTargets,
  saveCommandOf,
  saveLeftOut,
  saveWaiting,
} from "./rollouts.store.js";

/** Targets that are looked after at the same time. */
const AT_ONCE = 8;

export interface RolloutLoopPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly live: Live;
  readonly desk: RolloutDesk;
  readonly commands: Pick<CommandDesk, "request" | "apply" | "cancel">;
  /** The value of an expression now. */
  readonly query: (expr: string, at: Instant) => Promise<Value>;
  /** Critical alerts that fire since `since`, by their node. */
  readonly criticalSince: (
    db: Queryable,
    since: Instant,
  ) => Promise<readonly { readonly node: string; readonly alert: string }[]>;
}

export class RolloutDriver {
  readonly loop: Loop;
  readonly #ports: RolloutLoopPorts;
  #unsubscribe: () => void = () => {};

  constructor(ports: RolloutLoopPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "rollouts",
      interval: SECOND,
      clock: ports.system.clock,
      logger: ports.logger,
      run: () => this.run(),
    });
  }

  start(): void {
    this.#unsubscribe = this.#ports.live.subscribe(ROLLOUTS_CHANNEL, () => this.loop.wake());
    this.loop.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.loop.stop();
  }

  async run(): Promise<void> {
    const { database, logger } = this.#ports;
    for (const id of await readMoving(database)) {
      try {
        await this.move(id);
      } catch (error) {
        // One that cannot be moved now must not keep the others.
        logger.warn("a rollout could not be moved on", { rolloutId: id }, error);
      }
    }
  }

  /** One step of one rollout, and what follows from it. */
  async move(id: string): Promise<void> {
    const view = await this.#ports.desk.step(id, await this.#health(id));
    if (view === undefined) return;
    const { rollout } = view;
    const waiting = chooseEffects(rollout, view.targets, view.commands).values();
    const work = async (): Promise<void> => {
      for (const effect of waiting) await this.#carryOut(rollout, effect);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #carryOut(rollout: Rollout, effect: Effect): Promise<void> {
    const { target } = effect;
    const { commands, database } = this.#ports;
    switch (effect.kind) {
      case "request":
        return this.#request(rollout, target);
      case "apply": {
        const by = rollout.appliedBy ?? rollout.requestedBy;
        try {
          await commands.apply(commandId(target.commandId), by, target.planHash, rollout.approvedBy);
        } catch (error) {
          // Policy may say no for now, such as in a freeze; or it is applied already, which the next step finds.
          if (!isExpected(error)) throw error;
          await saveWaiting(database, rollout.id, target.nodeId, messageOf(error));
        }
        return;
      }
      case "cancel":
        try {
          await commands.cancel(commandId(target.commandId), SYSTEM, effect.because);
        } catch (error) {
          if (!isExpected(error)) throw error;
        }
    }
  }

  async #request(rollout: Rollout, target: Target): Promise<void> {
    const { commands, database, system } = this.#ports;
    const { spec } = rollout;
    try {
      const command = await commands.request({
        requestId: `rollout/${rollout.id}/${target.nodeId}`,
        node: target.nodeId,
        action: spec.action,
        argumentsJson: spec.argumentsJson,
        requestedBy: rollout.requestedBy,
        roles: rollout.requestedRoles,
        reason: spec.reason === "" ? `rollout ${rollout.id}` : spec.reason,
        hold: true,
        expiresInMs: Math.max(SECOND, rollout.expiresAt - system.clock.now()),
        timeoutMs: spec.timeoutMs,
        traceparent: rollout.traceparent,
      });
      await saveCommandOf(database, rollout.id, target.nodeId, command.id);
    } catch (error) {
      if (!isExpected(error)) throw error;
      await saveLeftOut(database, rollout.id, target.nodeId, messageOf(error));
    }
  }

  /** Asked only when it counts: a rollout that does not run has no gate. */
  async #health(id: string): Promise<Health> {
    const { database, query, criticalSince, system } = this.#ports;
    const rollout = await readRollout(database, id);
    if (rollout?.state !== "running") return { kind: "unknown", because: "it does not run" };
    const { expr } = rollout.spec.gate;
    try {
      if (expr !== "") return judgeGate(expr, await query(expr, system.clock.now()));
      const done = new Set(
        (await readTargets(database, id))
          .filter(({ state }) => state === "succeeded" || state === "failed")
          .map(({ nodeName }) => nodeName),
      );
      const alerts = await criticalSince(database, rollout.startedAt ?? rollout.requestedAt);
      const found = alerts.find(({ node }) => done.has(node));
      return found === undefined
        ? { kind: "healthy", because: "no critical alert has begun on a target that is done" }
        : { kind: "unhealthy", because: `${found.alert} began on ${found.node}` };
    } catch (error) {
      return { kind: "unknown", because: `whether it is well could not be found out: ${messageOf(error)}` };
    }
  }
}

const EXPECTED = [
  "NOT_FOUND",
  "FAILED_PRECONDITION",
  "ALREADY_EXISTS",
  "INVALID_ARGUMENT",
  "PERMISSION_DENIED",
];

const isExpected = (error: unknown): boolean => error instanceof OpsError && EXPECTED.includes(error.code);
