/** Stores what an agent says is on its host: the newest counts, and not more often than every ten seconds. */
import type { Inventory } from "../../fleet/domain/inventory.js";
import { type Duration, SECOND } from "../../kernel/time.js";
import type { Logger } from "../../platform/logger.js";
import type { Clock } from "../../platform/system.js";

const INTERVAL: Duration = 10 * SECOND;

export interface InventoryKeeperOptions {
  readonly save: (inventory: Inventory) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export class InventoryKeeper {
  readonly #options: InventoryKeeperOptions;
  #newest: Inventory | undefined;
  #working = false;

  constructor(options: InventoryKeeperOptions) {
    this.#options = options;
  }

  keep(inventory: Inventory): void {
    this.#newest = inventory;
    if (this.#working) return;
    this.#working = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    const { save, clock, logger, signal } = this.#options;
    while (this.#newest !== undefined && !signal.aborted) {
      const taken = this.#newest;
      this.#newest = undefined;
      try {
        await save(taken);
      } catch (error) {
        // The agent sends it once: it is kept for the next try, unless a newer one came meanwhile.
        this.#newest ??= taken;
        logger.warn("an inventory could not be stored; trying again", {}, error);
      }
      await clock.sleep(INTERVAL, signal);
    }
    this.#working = false;
  }
}
