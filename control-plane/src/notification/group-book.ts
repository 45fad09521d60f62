/** The groups that the leading replica knows, as they are stored. */
import type { Database } from "../platform/postgres/database.js";
import { type GroupName, groupId } from "./domain/group.js";
import type { GroupState } from "./domain/group-state.js";
import type { Told } from "./domain/needs-notice.js";
import { readGroups } from "./groups.store.js";

export class GroupBook {
  readonly #groups = new Map<string, GroupState>();
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when no other is running: a look at groups and a notice that is given up both change what was told. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** Reads them all anew: after the lease was taken, what another replica stored counts. */
  async load(database: Database): Promise<void> {
    this.#groups.clear();
    for (const group of await readGroups(database)) this.put(group);
  }

  get(id: string): GroupState | undefined {
    return this.#groups.get(id);
  }

  put(group: GroupState): void {
    this.#groups.set(groupId(group), group);
  }

  delete(group: GroupName): void {
    this.#groups.delete(groupId(group));
  }

  all(): Iterable<readonly [string, GroupState]> {
    return this.#groups.entries();
  }

  get size(): number {
    return this.#groups.size;
  }

  /** What one way was told, changed from outside: a notice was given up. */
  setTold(name: GroupName, integration: string, told: Told): void {
    const group = this.get(groupId(name));
    if (group !== undefined) this.put({ ...group, told: new Map(group.told).set(integration, told) });
  }
}
