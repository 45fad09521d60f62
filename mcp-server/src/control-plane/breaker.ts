/** The control plane is left alone for a minute when it has not answered five times in a row. */
import { BreakerOpen, type CallVerdict, CircuitBreaker } from "@mainstay/proto/circuit-breaker";
import { OpsError } from "../errors.js";

/** gRPC's numbers. */
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

/** A status is an answer; that there is nobody to give one is said by grpc-js itself, in these words. */
export const NOBODY_THERE = /connection|connect|subchannel|resolution|ECONN|stream/i;

function judge(outcome: { readonly value: unknown } | { readonly error: unknown }): CallVerdict {
  if (!("error" in outcome)) return "success";
  const { error } = outcome;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === CANCELLED) return "nothing";
  if (code === DEADLINE_EXCEEDED) return "failure";
  return code === UNAVAILABLE && error instanceof Error && NOBODY_THERE.test(error.message)
    ? "failure"
    : "success";
}

/** For every call to the control plane; throws UNAVAILABLE instead of making one that would be in vain. */
export function guardOf(breaker: CircuitBreaker): <T>(call: () => Promise<T>) => Promise<T> {
  return async (call) => {
    try {
      return await breaker.run(call, judge);
    } catch (error) {
      if (!(error instanceof BreakerOpen)) throw error;
      throw new OpsError("UNAVAILABLE", `the control plane at ${error.message}`, { cause: error });
    }
  };
}

/** @param now wall time in ms */
export const createBreaker = (address: string, now: () => number): CircuitBreaker =>
  new CircuitBreaker(address, now);
