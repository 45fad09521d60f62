/** BreakersService: proto message ↔ circuit breaker of this replica. Trips and resets by hand are journalled. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type BreakerSchema,
  BreakersService,
  BreakerState as WireState,
} from "@mainstay/proto/gen/mainstay/operator/v1/breakers_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import { appendEntries } from "../../journal/journal.module.js";
import { OpsError } from "../../kernel/errors.js";
import { formatTraceparent } from "../../kernel/trace.js";
import type { BreakerFigures, Breakers } from "../../platform/breakers.js";
import type { CallContext } from "../../platform/call.js";
import type { Database } from "../../platform/postgres/database.js";
import type { Clock } from "../../platform/system.js";

const REASON_LENGTH_MAX = 1_000;

export interface BreakersApiPorts {
  readonly breakers: Breakers;
  readonly database: Database;
  readonly clock: Clock;
}

const STATES = {
  closed: WireState.CLOSED,
  "half-open": WireState.HALF_OPEN,
  open: WireState.OPEN,
} as const;

function toWire({ name, state, since, refused }: BreakerFigures): MessageInitShape<typeof BreakerSchema> {
  return {
    name,
    state: STATES[state.kind],
    because: state.kind === "open" ? state.because : "",
    since: timestampFromMs(since),
    ...(state.kind === "open" && state.until !== undefined
      ? { nextTryAt: timestampFromMs(state.until) }
      : {}),
    failures: state.kind === "closed" ? state.failures : 0,
    successes: state.kind === "half-open" ? state.successes : 0,
    refused: BigInt(refused),
  };
}

export function breakersApi({
  breakers,
  database,
  clock,
}: BreakersApiPorts): ServiceImplementation<typeof BreakersService, CallContext> {
  /** Changes a breaker after the journal has been told, so that nothing is changed of which nobody knows. */
  const change = async (
    verb: "trip" | "reset",
    { name, reason }: { readonly name: string; readonly reason: string },
    { caller, trace }: CallContext,
  ) => {
    const breaker = breakers.find(name);
    if (breaker === undefined)
      throw new OpsError("NOT_FOUND", `${verb} breaker "${name.slice(0, 200)}": there is none`);
    if (reason.length > REASON_LENGTH_MAX)
      throw new OpsError(
        "INVALID_ARGUMENT",
        `reason has ${reason.length} characters, at most ${REASON_LENGTH_MAX}`,
      );
    const because = `${verb === "trip" ? "tripped" : "reset"} by ${caller.actor.name}${reason === "" ? "" : `: ${reason}`}`;
    await database.transaction((tx) =>
      appendEntries(tx, [
        {
          at: clock.now(),
          kind: verb === "trip" ? "breaker.tripped" : "breaker.reset",
          subject: `breaker:${name}`,
          actor: caller.actor,
          because,
          facts: { was: breaker.figures.state.kind },
          traceparent: formatTraceparent(trace),
        },
      ]),
    );
    if (verb === "trip") breaker.trip(because);
    else breaker.reset();
    return { breaker: toWire(breaker.figures) };
  };
  return {
    listBreakers: async () => ({ breakers: breakers.list().map(toWire) }),
    tripBreaker: (request, context) => change("trip", request, context),
    resetBreaker: (request, context) => change("reset", request, context),
  };
}
