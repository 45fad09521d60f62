/**
 * A circuit breaker: after five failures in a row a service that does not answer is left alone for a minute, then tried by
 * one call at a time, and trusted again after five that succeed; any failure while it is being tried starts the minute
 * anew. It stands here because whatever crosses a process does, and workspaces meet nowhere else.
 *
 * Written and not taken: cockatiel 3.2 and opossum 9.0 close after the first success of a half-open circuit.
 */

export type BreakerState =
  /** `failures` in a row; a success sets it back to 0. */
  | { readonly kind: "closed"; readonly failures: number }
  /** Nothing passes. `until` is ms of the clock; undefined: until a person resets it. */
  | { readonly kind: "open"; readonly until: number | undefined; readonly because: string }
  /** One call at a time passes; `probing` while it is under way. */
  | { readonly kind: "half-open"; readonly successes: number; readonly probing: boolean };

export interface BreakerSettings {
  /** Failures in a row that open it. @default 5 */
  readonly failures: number;
  /** How long it stays open, in ms. @default 60,000 */
  readonly openMs: number;
  /** Successes of a half-open circuit that close it. @default 5 */
  readonly successes: number;
}

export const BREAKER_DEFAULTS: BreakerSettings = { failures: 5, openMs: 60_000, successes: 5 };
export const CLOSED: BreakerState = { kind: "closed", failures: 0 };

export type Admission =
  | { readonly kind: "go"; readonly state: BreakerState }
  /** `retryAfterMs` is when it is worth asking again; undefined when only a person can say. */
  | { readonly kind: "refuse"; readonly because: string; readonly retryAfterMs: number | undefined };

/** Whether a call may be made now. */
export function admit(state: BreakerState, now: number): Admission {
  switch (state.kind) {
    case "closed":
      return { kind: "go", state };
    case "open":
      return state.until !== undefined && now >= state.until
        ? { kind: "go", state: { kind: "half-open", successes: 0, probing: true } }
        : {
            kind: "refuse",
            because: state.because,
            retryAfterMs: state.until === undefined ? undefined : state.until - now,
          };
    case "half-open":
      return state.probing
        ? { kind: "refuse", because: "it is being tried by another call", retryAfterMs: 1_000 }
        : { kind: "go", state: { ...state, probing: true } };
  }
}

/** After a call that was let through has succeeded. */
export function afterSuccess(state: BreakerState, settings: BreakerSettings): BreakerState {
  switch (state.kind) {
    case "closed":
      return CLOSED;
    case "half-open":
      return state.successes + 1 >= settings.successes
        ? CLOSED
        : { kind: "half-open", successes: state.successes + 1, probing: false };
    // A call from before it opened says nothing of now.
    case "open":
      return state;
  }
}

/** After a call that was let through has failed. */
export function afterFailure(
  state: BreakerState,
  settings: BreakerSettings,
  now: number,
  failure: string,
): BreakerState {
  switch (state.kind) {
    case "closed": {
      const failures = state.failures + 1;
      return failures >= settings.failures
        ? {
            kind: "open",
            until: now + settings.openMs,
            because: `${failures} calls in a row failed, the last: ${failure}`,
          }
        : { kind: "closed", failures };
    }
    case "half-open":
      return {
        kind: "open",
        until: now + settings.openMs,
        because: `it failed when it was tried: ${failure}`,
      };
    case "open":
      return state;
  }
}

/** Neither a success nor a failure: whoever asked went away. The next call may try. */
export function afterNothing(state: BreakerState): BreakerState {
  return state.kind === "half-open" ? { ...state, probing: false } : state;
}

/** What a call that went through tells of the service. */
export type CallVerdict = "success" | "failure" | "nothing";

/** Thrown instead of making the call. */
export class BreakerOpen extends Error {
  override readonly name = "BreakerOpen";

  constructor(
    readonly breaker: string,
    readonly because: string,
    readonly retryAfterMs: number | undefined,
  ) {
    const when =
      retryAfterMs === undefined ? "until it is reset" : `for another ${Math.ceil(retryAfterMs / 1_000)} s`;
    super(`${breaker} is not called ${when}: ${because}`);
  }
}

export interface BreakerFigures {
  readonly name: string;
  readonly state: BreakerState;
  /** Since when it is so, ms of the clock that was given. */
  readonly since: number;
  readonly refused: number;
}

/** One breaker, around calls to one service. */
export class CircuitBreaker {
  readonly name: string;
  readonly #settings: BreakerSettings;
  readonly #now: () => number;
  readonly #changed: (figures: BreakerFigures) => void;
  #state: BreakerState = CLOSED;
  #since: number;
  #refused = 0;
  /** Rises with each opening and each reset: what a call from before tells counts no more. */
  #era = 0;

  /** `now` in ms; `changed` is told of each change of kind. */
  constructor(
    name: string,
    now: () => number,
    settings: Partial<BreakerSettings> = {},
    changed: (figures: BreakerFigures) => void = () => {},
  ) {
    this.name = name;
    this.#now = now;
    this.#settings = { ...BREAKER_DEFAULTS, ...settings };
    this.#changed = changed;
    this.#since = now();
  }

  get figures(): BreakerFigures {
    return { name: this.name, state: this.#state, since: this.#since, refused: this.#refused };
  }

  /**
   * Makes the call, or throws {@link BreakerOpen} without making it. `judge` says what an outcome tells of the service;
   * unless it is given, what is thrown is a failure and what is returned a success.
   */
  async run<T>(
    call: () => Promise<T>,
    judge: (outcome: { readonly value: T } | { readonly error: unknown }) => CallVerdict = (outcome) =>
      "error" in outcome ? "failure" : "success",
  ): Promise<T> {
    const admission = admit(this.#state, this.#now());
    if (admission.kind === "refuse") {
      this.#refused++;
      throw new BreakerOpen(this.name, admission.because, admission.retryAfterMs);
    }
    this.#become(admission.state);
    const era = this.#era;
    try {
      const value = await call();
      this.#note(era, judge({ value }), "it answered, and not well");
      return value;
    } catch (error) {
      this.#note(era, judge({ error }), error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Opens it by hand, until it is reset by hand. */
  trip(because: string): void {
    this.#era++;
    this.#become({ kind: "open", until: undefined, because });
  }

  /** Closes it by hand. */
  reset(): void {
    this.#era++;
    this.#become(CLOSED);
  }

  #note(era: number, verdict: CallVerdict, failure: string): void {
    if (era !== this.#era) return;
    const state = this.#state;
    if (verdict === "success") this.#become(afterSuccess(state, this.#settings));
    else if (verdict === "failure") this.#become(afterFailure(state, this.#settings, this.#now(), failure));
    else this.#become(afterNothing(state));
  }

  #become(state: BreakerState): void {
    const before = this.#state;
    this.#state = state;
    if (before.kind === state.kind) return;
    if (state.kind === "open") this.#era++;
    this.#since = this.#now();
    this.#changed(this.figures);
  }
}

/** Breakers that are kept; the one not used for longest goes when there are more. */
const BREAKERS_MAX = 500;

/** All breakers of a process, by the name of what is called. */
export class Breakers {
  readonly #all = new Map<string, CircuitBreaker>();
  readonly #make: (name: string) => CircuitBreaker;

  constructor(make: (name: string) => CircuitBreaker) {
    this.#make = make;
  }

  /** The breaker of `name`, which is made when it is first asked for. */
  of(name: string): CircuitBreaker {
    const known = this.#all.get(name);
    const breaker = known ?? this.#make(name);
    this.#all.delete(name);
    this.#all.set(name, breaker);
    if (this.#all.size > BREAKERS_MAX) {
      const idle = [...this.#all.values()].find(({ figures }) => figures.state.kind === "closed");
      if (idle !== undefined) this.#all.delete(idle.name);
    }
    return breaker;
  }

  /** Undefined when nothing of that name was called yet. */
  find(name: string): CircuitBreaker | undefined {
    return this.#all.get(name);
  }

  /** By name. */
  list(): readonly BreakerFigures[] {
    return [...this.#all.values()].map(({ figures }) => figures).sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
