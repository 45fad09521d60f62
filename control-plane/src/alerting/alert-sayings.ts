/**
 * What alerts say at the moment (value, reason, texts), stored behind the turn that found it: hundreds of alerts say
 * something new with every turn, and nobody who has to act upon them has to wait until that is written.
 */
import type { Logger } from "../platform/logger.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import { saveSayings } from "./alerts.store.js";
import type { Alert } from "./domain/evaluate-rule.js";
import type { RuleGroup } from "./domain/rule.js";

export interface AlertSayingsPorts {
  readonly database: Database;
  readonly logger: Logger;
  /** Throws ABORTED when another replica judges the rules by now. */
  readonly assertLead: (tx: Transaction) => Promise<void>;
}

export class AlertSayings {
  readonly #ports: AlertSayingsPorts;
  /** What the turn under way found, by group. */
  readonly #noted = new Map<string, Alert[]>();
  /** What is being written, by group. */
  readonly #following = new Map<string, Promise<void>>();
  /** Labels of alerts whose last words could not be stored. */
  readonly #behind = new WeakSet<Alert["labels"]>();
  #failed = false;

  constructor(ports: AlertSayingsPorts) {
    this.#ports = ports;
  }

  /** Whether what is stored of the alert is older than what was judged last. */
  isBehind({ labels }: Alert): boolean {
    return this.#behind.has(labels);
  }

  /** Keeps what alerts of the group say until {@link follow}. */
  note(group: RuleGroup, alerts: readonly Alert[]): void {
    if (alerts.length === 0) return;
    const key = keyOf(group);
    const noted = this.#noted.get(key);
    if (noted === undefined) this.#noted.set(key, [...alerts]);
    else for (const alert of alerts) noted.push(alert);
  }

  /** Begins to write what was noted of the group. What was noted before is written: see {@link settled}. */
  follow(group: RuleGroup): void {
    const key = keyOf(group);
    const alerts = this.#noted.get(key);
    if (alerts === undefined) return;
    this.#noted.delete(key);
    const written = this.#write(alerts).finally(() => this.#following.delete(key));
    this.#following.set(key, written);
  }

  /** Resolves when nothing is being written, of this group or of any. Never rejects. */
  async settled(group?: RuleGroup): Promise<void> {
    if (group === undefined) await Promise.all(this.#following.values());
    else await this.#following.get(keyOf(group));
  }

  async #write(alerts: readonly Alert[]): Promise<void> {
    const { database, assertLead, logger } = this.#ports;
    try {
      await database.transaction(async (tx) => {
        await assertLead(tx);
        await saveSayings(tx, alerts);
      });
      for (const { labels } of alerts) this.#behind.delete(labels);
      this.#failed = false;
    } catch (error) {
      for (const { labels } of alerts) this.#behind.add(labels);
      // Said once, not with every turn: that PostgreSQL is away is said elsewhere too.
      if (!this.#failed) logger.warn("what alerts say could not be stored; it follows", {}, error);
      this.#failed = true;
    }
  }
}

function keyOf({ file, name }: RuleGroup): string {
  return `${file}\n${name}`;
}
