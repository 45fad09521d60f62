/**
 * Whether this server can do its work: the control plane answers. One missed answer is not yet a loss, or a hiccup of a
 * shared control plane would take every replica out of service at once.
 */
import { messageOf } from "../errors.js";
import type { Logger } from "../logger.js";
import type { Clock } from "../system.js";

export type Readiness =
  | { readonly kind: "starting" }
  | { readonly kind: "ready"; readonly failures: number }
  | { readonly kind: "unready"; readonly because: string };

/** Misses in a row that make a ready server unready. */
export const MISSES_MAX = 2;

/** The next readiness, from the last and the outcome of a probe: undefined when it was answered, else why it was not. */
export function nextReadiness(before: Readiness, missed: string | undefined): Readiness {
  if (missed === undefined) return { kind: "ready", failures: 0 };
  if (before.kind !== "ready") return { kind: "unready", because: missed };
  const failures = before.failures + 1;
  return failures < MISSES_MAX ? { kind: "ready", failures } : { kind: "unready", because: missed };
}

const PROBE_TIMEOUT_MS = 1_000;
/** With two misses of a second each, a loss shows within four seconds. */
const PROBE_EVERY_MS = 1_000;

export interface Watched {
  readonly readiness: Readiness;
  /** How long the last probe took. */
  readonly probeMs: number | undefined;
  readonly probedAt: number | undefined;
}

/** Asks the control plane again and again; never two questions at once. */
export class ControlPlaneWatch {
  readonly #reach: (withinMs: number) => Promise<void>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #watched: Watched = { readiness: { kind: "starting" }, probeMs: undefined, probedAt: undefined };
  #done: Promise<void> = Promise.resolve();

  /** `reach` resolves when the control plane answers in time, and throws why it does not. */
  constructor(reach: (withinMs: number) => Promise<void>, clock: Clock, logger: Logger) {
    this.#reach = reach;
    this.#clock = clock;
    this.#logger = logger;
  }

  get watched(): Watched {
    return this.#watched;
  }

  isReady(): boolean {
    return this.#watched.readiness.kind === "ready";
  }

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** One question. */
  async probe(): Promise<void> {
    const started = this.#clock.monotonic();
    const missed = await this.#reach(PROBE_TIMEOUT_MS).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    );
    const before = this.#watched.readiness;
    const readiness = nextReadiness(before, missed);
    this.#watched = {
      readiness,
      probeMs: this.#clock.monotonic() - started,
      probedAt: this.#clock.now(),
    };
    if (readiness.kind === before.kind) return;
    if (readiness.kind === "ready") this.#logger.info("the control plane answers");
    if (readiness.kind === "unready")
      this.#logger.warn("the control plane does not answer", { because: readiness.because });
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.probe();
      await this.#clock.sleep(PROBE_EVERY_MS, this.#stop.signal);
    }
  }
}
