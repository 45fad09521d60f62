/** RequestStatesService: what MCP servers share about states that their clients bring back. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { RequestStatesService } from "@mainstay/proto/gen/mainstay/operator/v1/request_states_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import type { Caller } from "../kernel/caller.js";
import { OpsError } from "../kernel/errors.js";
import { HOUR, MINUTE } from "../kernel/time.js";
import type { CallContext } from "../platform/call.js";
import type { Database } from "../platform/postgres/database.js";
import type { System } from "../platform/system.js";
import { stateKey, takeState } from "./request-states.store.js";

/** A state outlives the clocks' difference between the machines. */
const SLACK = 5 * MINUTE;

export function requestStatesApi(deps: {
  readonly database: Database;
  readonly system: System;
}): ServiceImplementation<typeof RequestStatesService, CallContext> {
  const { database, system } = deps;
  return {
    async getStateKey(_request, { caller }) {
      mustBeMcp(caller);
      const made = Buffer.from(system.draws.hex(64), "hex");
      return { key: await stateKey(database, made, system.clock.now()) };
    },

    async useState({ stateId, expiresAt }, { caller }) {
      mustBeMcp(caller);
      const now = system.clock.now();
      if (!/^[0-9a-f]{16,64}$/.test(stateId)) {
        throw new OpsError("INVALID_ARGUMENT", "state_id is not 16 to 64 hex digits");
      }
      const end = expiresAt === undefined ? Number.NaN : timestampMs(expiresAt);
      if (!(end <= now + HOUR + SLACK)) {
        throw new OpsError("INVALID_ARGUMENT", "expires_at is absent or more than an hour away");
      }
      // One that has ended is remembered for a while all the same: an MCP server's clock may be late.
      const kept = { id: stateId, expiresAt: Math.max(end, now) + SLACK };
      return { first: await takeState(database, kept, now) };
    },
  };
}

function mustBeMcp({ actor }: Caller): void {
  if (actor.kind !== "mcp") {
    throw new OpsError(
      "PERMISSION_DENIED",
      `states of requests are for MCP servers, not for a ${actor.kind}`,
    );
  }
}
