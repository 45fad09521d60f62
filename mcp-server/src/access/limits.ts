/** How much one principal may ask: a bucket of cost that fills at a steady rate, and calls at once. */
import type { Clock } from "../system.js";

export interface LimitSettings {
  /** Cost a minute; a plain read costs 1. */
  readonly costPerMinute: number;
  /** Calls under way at once. */
  readonly atOnce: number;
}

/** What a call costs, by what it makes the house do. */
export const COSTS = { light: 1, heavy: 5, write: 10 } as const;
export type CostClass = keyof typeof COSTS;

/** Tools that read much: ranges of series, or the whole journal. */
const HEAVY: ReadonlySet<string> = new Set(["metrics_query_range", "journal_verify", "alert_why"]);

export function costClassOf(tool: { readonly name: string; readonly effect: "read" | "write" }): CostClass {
  if (tool.effect === "write") return "write";
  return HEAVY.has(tool.name) ? "heavy" : "light";
}

export type Admission =
  | { readonly kind: "admitted"; readonly release: () => void }
  | { readonly kind: "refused"; readonly because: string; readonly retryAfterMs: number };

interface Account {
  cost: number;
  filledAt: number;
  underWay: number;
}

/** A caller may spend this long's worth of cost at once. */
const BURST_MS = 20_000;
/** Principals remembered; who is not among them has a full bucket. */
const ACCOUNTS_MAX = 10_000;
const BUSY_RETRY_MS = 1_000;

export class Limits {
  readonly #settings: LimitSettings;
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();

  constructor(settings: LimitSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Judges a call of `principal`. Call `release` once it has ended; again does nothing. */
  admit(principal: string, cost: number): Admission {
    const { costPerMinute, atOnce } = this.#settings;
    const account = this.#accountOf(principal);
    if (account.underWay >= atOnce) {
      const because = `${atOnce} calls of this principal are under way: try again when one has ended`;
      return { kind: "refused", because, retryAfterMs: BUSY_RETRY_MS };
    }
    // Also a call that costs more than the bucket holds passes when the bucket is full.
    const needed = Math.min(cost, this.#most);
    if (account.cost < needed) {
      const retryAfterMs = Math.ceil(((needed - account.cost) / costPerMinute) * 60_000);
      const because = `this principal may spend ${costPerMinute} a minute and this call costs ${cost}: try again in ${Math.ceil(retryAfterMs / 1_000)} s`;
      return { kind: "refused", because, retryAfterMs };
    }
    account.cost -= needed;
    account.underWay += 1;
    let released = false;
    return {
      kind: "admitted",
      release: () => {
        if (released) return;
        released = true;
        account.underWay -= 1;
      },
    };
  }

  get #most(): number {
    return Math.max(1, (this.#settings.costPerMinute * BURST_MS) / 60_000);
  }

  #accountOf(principal: string): Account {
    const now = this.#clock.monotonic();
    const account = this.#accounts.get(principal) ?? { cost: this.#most, filledAt: now, underWay: 0 };
    const gained = ((now - account.filledAt) / 60_000) * this.#settings.costPerMinute;
    account.cost = Math.min(this.#most, account.cost + gained);
    account.filledAt = now;
    this.#accounts.delete(principal);
    if (this.#accounts.size >= ACCOUNTS_MAX) this.#forgetOne();
    this.#accounts.set(principal, account);
    return account;
  }

  /** The longest silent one of those that have nothing under way. */
  #forgetOne(): void {
    for (const [name, { underWay }] of this.#accounts) {
      if (underWay > 0) continue;
      this.#accounts.delete(name);
      return;
    }
  }
}
