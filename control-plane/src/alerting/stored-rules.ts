/** Rules through the API: kept in PostgreSQL with versions, journalled, in force on whichever replica judges. */
import { appendEntries } from "../journal/journal.module.js";
import type { Actor } from "../kernel/actor.js";
import { OpsError } from "../kernel/errors.js";
import { SECOND } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Database } from "../platform/postgres/database.js";
import { type Clock, sha256Hex } from "../platform/system.js";
import type { RuleGroup } from "./domain/rule.js";
import { demandRules, readRules } from "./read-rules.js";
import {
  lockRuleGroup,
  readRuleGroups,
  readRuleGroupsStamp,
  type StoredRuleGroup,
  saveRuleGroup,
} from "./rule-groups.store.js";

/** Groups that may be kept; each costs a loop. */
const GROUPS_MAX = 1_000;
const LOOK_EVERY = 2 * SECOND;

export interface StoredRulesOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of all stored groups whenever one has changed. */
  readonly changed: (groups: readonly RuleGroup[]) => Promise<void>;
}

/** Who changes what, against which version, and why. */
export interface RuleGroupChange {
  readonly name: string;
  readonly expectedVersion: number;
  readonly reason: string;
  readonly by: Actor;
  readonly traceparent?: string;
}

export class StoredRules {
  readonly #options: StoredRulesOptions;
  readonly loop: Loop;
  #stamp = "";

  constructor(options: StoredRulesOptions) {
    this.#options = options;
    const { clock, logger } = options;
    this.loop = new Loop({
      name: "rules of the API",
      interval: LOOK_EVERY,
      clock,
      logger,
      run: () => this.load(),
    });
  }

  /** Reads the groups if any has changed since they were last read. */
  async load(): Promise<void> {
    const { database, changed, logger } = this.#options;
    const stamp = await readRuleGroupsStamp(database);
    if (stamp === this.#stamp) return;
    const groups = (await readRuleGroups(database)).flatMap(({ name, content }) => {
      const read = readRules(content);
      if ("value" in read) return read.value;
      // It was well formed when it was put: an older build wrote what this one does not take.
      logger.error("a stored group of rules is not in force", {
        name,
        faults: read.faults.join("; ").slice(0, 2_000),
      });
      return [];
    });
    await changed(groups);
    this.#stamp = stamp;
  }

  list(): Promise<readonly StoredRuleGroup[]> {
    return readRuleGroups(this.#options.database);
  }

  /**
   * Puts a group in force. Throws INVALID_ARGUMENT for rules that are not well formed or not this one group,
   * ABORTED when it is not at the expected version, RESOURCE_EXHAUSTED when there are too many groups.
   */
  async put(change: RuleGroupChange & { readonly content: string }): Promise<StoredRuleGroup> {
    const [group, ...others] = demandRules(change.content);
    if (group === undefined || others.length > 0 || group.name !== change.name) {
      const found = [group, ...others].flatMap((one) => (one === undefined ? [] : [`"${one.name}"`]));
      throw new OpsError(
        "INVALID_ARGUMENT",
        `put rule group "${change.name}": the content holds ${found.join(", ") || "no group"}, expected this one group`,
      );
    }
    const many = (await this.list()).length;
    if (many >= GROUPS_MAX && change.expectedVersion === 0)
      throw new OpsError("RESOURCE_EXHAUSTED", `there are ${many} groups of rules already`, {
        groupsMax: GROUPS_MAX,
      });
    return this.#change(change, change.content);
  }

  /** Takes a group out of force. Throws NOT_FOUND, and ABORTED as `put`. */
  async delete(change: RuleGroupChange): Promise<void> {
    await this.#change(change, undefined);
  }

  async #change(
    { name, expectedVersion, reason, by, traceparent }: RuleGroupChange,
    content: string | undefined,
  ): Promise<StoredRuleGroup> {
    if (reason.trim() === "")
      throw new OpsError("INVALID_ARGUMENT", `change rule group "${name}": a reason is missing`);
    const { database, clock } = this.#options;
    const stored = await database.transaction(async (tx) => {
      const { version, exists } = await lockRuleGroup(tx, name);
      if (!exists && content === undefined)
        throw new OpsError("NOT_FOUND", `there is no rule group "${name}" that was put through the API`);
      const current = exists ? version : 0;
      if (current !== expectedVersion) {
        throw new OpsError(
          "ABORTED",
          `change rule group "${name}": it is at version ${current}, the change was made against ${expectedVersion}`,
          { name, version: current },
        );
      }
      const next = { name, version: version + 1, content, changedAt: clock.now(), changedBy: by };
      await saveRuleGroup(tx, next, reason);
      await appendEntries(tx, [
        {
          at: next.changedAt,
          kind: content === undefined ? "rules.deleted" : "rules.put",
          subject: `rules:${name}`,
          actor: by,
          because: reason,
          facts: {
            version: next.version,
            ...(content === undefined ? {} : { sha256: sha256Hex(content), bytes: content.length }),
          },
          ...(traceparent === undefined ? {} : { traceparent }),
        },
      ]);
      return next;
    });
    this.loop.wake();
    return { ...stored, content: content ?? "" };
  }
}
