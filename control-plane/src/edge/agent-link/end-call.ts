/** The end of an agent's stream: with a status the agent can read, and by force when it does not. */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { ConnectRequest, ConnectResponse } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import { type Duration, SECOND } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import { toWireError } from "../wire-errors.js";

export type AgentCall = ServerDuplexStream<ConnectRequest, ConnectResponse>;

/** How long a peer may take to read its status. */
const READ_WITHIN: Duration = 2 * SECOND;

/** HTTP/2's CANCEL. */
const CANCEL = 0x8;

/** Ends the call; with a status when there is a reason. A peer that reads nothing is cut off. */
export function endCall(call: AgentCall, reason: unknown, clock: Clock): void {
  if (call.cancelled) return;
  if (reason === undefined) call.end();
  else {
    const { wire } = toWireError(reason, () => "agent-stream");
    const error = Object.assign(new Error(wire.message), { code: wire.grpcStatus, details: wire.message });
    call.emit("error", error);
  }
  // The status goes out behind what was written before it: to a reader that stands still it never does.
  void clock.sleep(READ_WITHIN).then(() => {
    if (!call.cancelled) resetStream(call);
  });
}

/**
 * Resets the HTTP/2 stream under a call. grpc-js has no public way to do that on the server; where it keeps the stream
 * is held by a test.
 */
function resetStream(call: AgentCall): void {
  const inner = propertyOf(call, "call");
  const stream = propertyOf(inner, "stream");
  const close = propertyOf(stream, "close");
  if (typeof close === "function") Reflect.apply(close, stream, [CANCEL]);
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
