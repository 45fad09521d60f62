/** Which replica decides and sends: the one that holds the lease. What it writes checks the lease in the same transaction. */
import { OpsError } from "../kernel/errors.js";
import { type Duration, SECOND } from "../kernel/time.js";
import type { Database, Transaction } from "../platform/postgres/database.js";
import { holdLease, releaseLease, stillHolds } from "../platform/postgres/lease.js";

const LEASE = "notification";
const LEASE_LENGTH: Duration = 15 * SECOND;

export class Lead {
  readonly #database: Database;
  readonly #replica: string;
  readonly #mayLead: () => boolean;
  #held = false;

  /** `mayLead`: whether this replica is the one that sees all samples; the others leave the lease to it. */
  constructor(database: Database, replica: string, mayLead: () => boolean) {
    this.#database = database;
    this.#replica = replica;
    this.#mayLead = mayLead;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Takes or renews the lease; answers whether this replica has it. */
  async renew(): Promise<boolean> {
    if (!this.#mayLead()) {
      await this.release();
      return false;
    }
    this.#held = (await holdLease(this.#database, LEASE, this.#replica, LEASE_LENGTH)) !== undefined;
    return this.#held;
  }

  /** A replica that was paused past its lease must not write over its successor, nor send what it sends. */
  async assert(tx: Transaction): Promise<void> {
    if (await stillHolds(tx, LEASE, this.#replica)) return;
    this.#held = false;
    throw new OpsError("ABORTED", "the lease on notification has passed to another replica");
  }

  async release(): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    await releaseLease(this.#database, LEASE, this.#replica);
  }
}
