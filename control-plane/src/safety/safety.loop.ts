/**
 * Takes over from the journal how actions ended, and looks for storms. Both run on every replica; rows' locks make them
 * take turns, and what one did the others find done.
 */
import type { Entry } from "../journal/domain/entry.js";
import { type Consumer, consumeOnce } from "../journal/journal.module.js";
import { HOUR, type Instant, SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import type { Safety } from "./safety.js";
import { forgetActions, saveEnd, saveFailed } from "./safety.store.js";

/** Within this, what failed is known to the budget, and a storm is found. */
const INTERVAL = SECOND;
/** Batches of journal entries in one run, so that a backlog does not hold up the look for storms. */
const BATCHES_MAX = 200;

const ENDED_WELL = new Set([
  ...["command.succeeded", "command.refused", "command.cancelled", "command.expired"],
  // Nothing was done; should another plan be run, it says so.
  "command.drifted",
]);
const ENDED_BADLY = new Set(["command.failed", "command.timed-out", "command.interrupted"]);

const COMMAND = "command:";

async function takeEntry(tx: Transaction, { kind, subject, at }: Entry): Promise<void> {
  if (!subject.startsWith(COMMAND)) return;
  const id = subject.slice(COMMAND.length);
  if (ENDED_WELL.has(kind)) return saveEnd(tx, id, { at, failed: false });
  if (ENDED_BADLY.has(kind)) return saveEnd(tx, id, { at, failed: true });
  // It had been given up, and the host says that it runs.
  if (kind === "command.running") return saveEnd(tx, id, undefined);
  if (kind === "remediation.not-cleared") return saveFailed(tx, id);
}

const CONSUMERS: readonly Consumer[] = [
  { name: "safety.commands", kind: "command.", take: takeEntry },
  { name: "safety.verifications", kind: "remediation.not-cleared", take: takeEntry },
];

export interface SafetyLoopPorts {
  readonly database: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly safety: Safety;
}

export class SafetyWatch {
  readonly loop: Loop;
  readonly #ports: SafetyLoopPorts;
  #forgotAt: Instant = 0;

  constructor(ports: SafetyLoopPorts) {
    this.#ports = ports;
    this.loop = new Loop({
      name: "safety",
      interval: INTERVAL,
      clock: ports.system.clock,
      logger: ports.logger,
      run: (now) => this.run(now),
    });
  }

  async run(now: Instant): Promise<void> {
    const { database, safety } = this.#ports;
    for (const consumer of CONSUMERS) {
      for (let batch = 0; batch < BATCHES_MAX; batch++) {
        if ((await consumeOnce(database, consumer)) === 0) break;
      }
    }
    await safety.watchStorms(now);
    if (now - this.#forgotAt < HOUR) return;
    this.#forgotAt = now;
    await forgetActions(database, now);
  }
}
