/** Looks at the dependencies on a beat of this replica's own, and remembers how they stand. */
import type { Duration } from "../../kernel/time.js";
import { SECOND } from "../../kernel/time.js";
import type { Logger } from "../../platform/logger.js";
import { Loop } from "../../platform/loop.js";
import type { System } from "../../platform/system.js";
import { within } from "./check-health.js";
import { judgeReadiness, nextStanding, type Readiness, type Standing, UP } from "./judge-readiness.js";
import type { Serving } from "./serving.js";

const LOOK_EVERY: Duration = 0.8 * SECOND;
const LOOK_WITHIN: Duration = 1 * SECOND;

export interface Dependency {
  readonly name: string;
  readonly vital: boolean;
  /** Throws, or takes too long, when it is away. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
}

export class ReadinessWatch {
  readonly #dependencies: readonly Dependency[];
  readonly #system: System;
  readonly #logger: Logger;
  readonly #serving: Serving;
  readonly #standings = new Map<string, Standing>();
  readonly #vital: ReadonlySet<string>;
  readonly #stop = new AbortController();
  readonly loop: Loop;

  constructor(deps: {
    readonly dependencies: readonly Dependency[];
    readonly system: System;
    readonly logger: Logger;
    readonly serving: Serving;
  }) {
    this.#dependencies = deps.dependencies;
    this.#system = deps.system;
    this.#logger = deps.logger;
    this.#serving = deps.serving;
    this.#vital = new Set(deps.dependencies.filter(({ vital }) => vital).map(({ name }) => name));
    for (const { name } of deps.dependencies) this.#standings.set(name, UP);
    this.loop = new Loop({
      name: "readiness",
      interval: LOOK_EVERY,
      clock: deps.system.clock,
      logger: deps.logger,
      run: () => this.#look(),
    });
  }

  /** Begins after a part of the beat drawn by chance, so that replicas do not all look, and change, at once. */
  start(): void {
    const { clock, draws } = this.#system;
    void clock.sleep(draws.fraction() * LOOK_EVERY, this.#stop.signal).then(() => {
      if (!this.#stop.signal.aborted) this.loop.start();
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.loop.stop();
  }

  read(): Readiness {
    return judgeReadiness(this.#standings, this.#vital, this.#serving.isServing());
  }

  async #look(): Promise<void> {
    await Promise.all(
      this.#dependencies.map(async ({ name, ping }) => {
        let failure: unknown;
        const ok = await within(LOOK_WITHIN, this.#system.clock, ping).then(
          () => true,
          (error: unknown) => {
            failure = error;
            return false;
          },
        );
        const before = this.#standings.get(name) ?? UP;
        const after = nextStanding(before, ok);
        this.#standings.set(name, after);
        if (before.up && !after.up) this.#logger.error("a dependency is away", { dependency: name }, failure);
        if (!before.up && after.up) this.#logger.info("a dependency is back", { dependency: name });
      }),
    );
  }
}
