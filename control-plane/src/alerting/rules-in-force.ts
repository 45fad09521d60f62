/** All rules in force, from wherever they came: files first, then those of the API. */
import type { RuleGroup } from "./domain/rule.js";

export class RulesInForce {
  readonly #use: (groups: readonly RuleGroup[]) => Promise<void>;
  readonly #bySource = new Map<string, readonly RuleGroup[]>();

  /** `sources` in the order in which their groups stand; `use` is told of all groups whenever one source's changed. */
  constructor(sources: readonly string[], use: (groups: readonly RuleGroup[]) => Promise<void>) {
    for (const source of sources) this.#bySource.set(source, []);
    this.#use = use;
  }

  changed(source: string, groups: readonly RuleGroup[]): Promise<void> {
    this.#bySource.set(source, groups);
    return this.#use([...this.#bySource.values()].flat());
  }
}
