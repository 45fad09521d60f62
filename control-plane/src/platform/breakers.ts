/** Circuit breakers around what is outside: one for each service, seen in metrics and in the log. */
import {
  type BreakerFigures,
  BreakerOpen,
  Breakers,
  type CallVerdict,
  CircuitBreaker,
} from "@mainstay/proto/circuit-breaker";
import { OpsError } from "../kernel/errors.js";
import type { Duration } from "../kernel/time.js";
import type { Logger } from "./logger.js";
import type { Metrics } from "./metrics.js";
import type { Clock } from "./system.js";

export { type BreakerFigures, Breakers } from "@mainstay/proto/circuit-breaker";

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Makes a call to a service, named by scheme, host and port, unless its breaker is open. Then it throws OpsError
 * UNAVAILABLE with the fact `retryAfterMs`. What `judge` says of an outcome is what the breaker learns.
 */
export type Guard = <T>(
  service: string,
  call: () => Promise<T>,
  judge?: (outcome: Outcome<T>) => CallVerdict,
) => Promise<T>;

/** What an OpsError says of the service: whoever asked may have gone away, and a refusal is an answer. */
const judgeError = ({ code }: OpsError): CallVerdict =>
  code === "CANCELLED"
    ? "nothing"
    : code === "UNAVAILABLE" || code === "DEADLINE_EXCEEDED"
      ? "failure"
      : "success";

const judgeAny = <T>(outcome: Outcome<T>): CallVerdict => {
  if (!("error" in outcome)) return "success";
  return outcome.error instanceof OpsError ? judgeError(outcome.error) : "failure";
};

/** An HTTP server that answers with 5xx is in trouble; with anything else it is well. */
export const judgeHttp = (outcome: Outcome<{ readonly status: number }>): CallVerdict =>
  "value" in outcome ? (outcome.value.status >= 500 ? "failure" : "success") : judgeAny(outcome);

export function guardOf(breakers: Breakers): Guard {
  return async (service, call, judge = judgeAny) => {
    try {
      return await breakers.of(service).run(call, judge);
    } catch (error) {
      if (!(error instanceof BreakerOpen)) throw error;
      const { retryAfterMs } = error;
      throw new OpsError("UNAVAILABLE", error.message, { retryAfterMs }, { cause: error });
    }
  };
}

const LEVEL = { closed: 0, "half-open": 1, open: 2 } as const;

export interface BreakersOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long an open one stays open. */
  readonly openFor: Duration;
}

export function createBreakers({ clock, logger, metrics, openFor }: BreakersOptions): Breakers {
  const told = ({ name, state }: BreakerFigures): void => {
    const facts = { breaker: name, state: state.kind };
    if (state.kind === "open")
      logger.warn("a service is not called for a while", { ...facts, because: state.because });
    else logger.info("a service is called again", facts);
  };
  const breakers = new Breakers(
    (name) => new CircuitBreaker(name, () => clock.now(), { openMs: openFor }, told),
  );
  metrics.reading(
    "mainstay_breaker_state",
    "Whether a service of others is called: 0 closed (it is), 1 half-open (one call at a time), 2 open (it is not).",
    ["breaker"],
    () => breakers.list().map(({ name, state }) => ({ labels: { breaker: name }, value: LEVEL[state.kind] })),
  );
  metrics.total(
    "mainstay_breaker_refused_total",
    "Calls that were not made because a breaker was open.",
    ["breaker"],
    () => breakers.list().map(({ name, refused }) => ({ labels: { breaker: name }, value: refused })),
  );
  return breakers;
}
