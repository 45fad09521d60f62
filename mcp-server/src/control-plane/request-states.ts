/** What the MCP servers of a house share about states that their clients bring back. */
import type { RequestStatesService } from "@mainstay/proto/gen/mainstay/operator/v1/request_states_pb";
import { OpsError } from "../errors.js";
import type { Line } from "./line.js";
import { timestampOf } from "./wire.js";

const KEY_BYTES = 32;

export function requestStatesRoom(line: Line<typeof RequestStatesService>) {
  return {
    /** The key that seals states, 32 bytes. Throws PERMISSION_DENIED for a token that is no MCP server's. */
    async key(): Promise<Uint8Array> {
      const { key } = await line.ask((to, how) => to.getStateKey({}, how));
      if (key.length !== KEY_BYTES)
        throw new OpsError("INTERNAL", `the key that seals states has ${key.length} bytes, not ${KEY_BYTES}`);
      return key;
    },
    /** Whether this is the state's first use, on whichever replica. */
    async use(stateId: string, expiresAt: number): Promise<boolean> {
      const answer = await line.ask((to, how) =>
        to.useState({ stateId, expiresAt: timestampOf(expiresAt) }, how),
      );
      return answer.first;
    },
  };
}
