/**
 * Runs the checks: all at once, each within its time, and at most once in five seconds however many ask.
 */
import { messageOf } from "../../kernel/errors.js";
import { type Duration, type Instant, SECOND } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import { type ComponentHealth, type Finding, type FoldedHealth, foldHealth } from "./fold-health.js";

const CHECK_WITHIN: Duration = 1 * SECOND;
const FRESH_FOR: Duration = 5 * SECOND;

export interface Check {
  readonly name: string;
  readonly vital: boolean;
  /** Throwing means unhealthy, with the error's sentence. */
  readonly run: (signal: AbortSignal) => Promise<Finding>;
}

export interface SystemHealth extends FoldedHealth {
  readonly at: Instant;
  readonly components: readonly ComponentHealth[];
}

export class HealthChecks {
  readonly #checks: readonly Check[];
  readonly #clock: Clock;
  #last: { readonly health: Promise<SystemHealth>; readonly startedAt: number } | undefined;

  constructor(checks: readonly Check[], clock: Clock) {
    this.#checks = checks;
    this.#clock = clock;
  }

  /** At most five seconds old; takes at most little more than a second. Never rejects. */
  read(): Promise<SystemHealth> {
    const startedAt = this.#clock.monotonic();
    if (this.#last === undefined || startedAt - this.#last.startedAt >= FRESH_FOR) {
      this.#last = { health: this.#readAll(), startedAt };
    }
    return this.#last.health;
  }

  async #readAll(): Promise<SystemHealth> {
    const components = await Promise.all(this.#checks.map((check) => this.#one(check)));
    return { at: this.#clock.now(), components, ...foldHealth(components) };
  }

  async #one({ name, vital, run }: Check): Promise<ComponentHealth> {
    const started = this.#clock.monotonic();
    const finding = await within(CHECK_WITHIN, this.#clock, run).catch(
      (error: unknown): Finding => ({ status: "unhealthy", because: messageOf(error), figures: {} }),
    );
    return { name, vital, ...finding, seconds: (this.#clock.monotonic() - started) / SECOND };
  }
}

/** What `work` gives, or a rejection when it has not answered in time. */
export async function within<T>(
  length: Duration,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const done = new AbortController();
  const timeout = clock.sleep(length, done.signal).then((): never => {
    late.abort();
    throw new Error(`no answer within ${length / SECOND} s`);
  });
  try {
    return await Promise.race([work(late.signal), timeout]);
  } finally {
    timeout.catch(() => {});
    done.abort();
  }
}
