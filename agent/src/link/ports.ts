/** What the link asks of the rest of the agent. */
import type {
  CommandEvent,
  Hello,
  OrderKey,
  RenewResponse,
  SignedOrder,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import type { Secure } from "./channel.js";
import type { AcknowledgedEvents } from "./session.js";

/** Events of commands on their way up; they lie in the journal until acknowledged. */
export interface EventFeed {
  /** The next event that was not sent on this stream; undefined when there is none. */
  next(): CommandEvent | undefined;
  /** A new stream: all that is not acknowledged is to be sent again. */
  rewind(): void;
  acknowledge(acknowledged: readonly AcknowledgedEvents[]): void;
  /** Calls `wake` whenever there may be a next event. */
  onEvent(wake: () => void): void;
}

/** Who answers what comes down. Each returns at once. */
export interface LinkListener {
  order(order: SignedOrder): void;
  cancelOrder(commandId: string, because: string): void;
  renewed(renewed: RenewResponse): void;
  orderKeys(keys: readonly OrderKey[]): void;
  /** What the control plane says as a voter of a database cluster. */
  failover?(message: FailoverMessage): void;
  /** The control plane's clock minus this host's, in ms. */
  clockOffset(ms: number): void;
  /** The link is live, or no longer. */
  live(isLive: boolean): void;
}

/** What a stream is opened with; asked anew for each. */
export interface LinkIdentity {
  /** `because` when there is nothing to open a stream with at present. */
  secure():
    | { readonly kind: "ready"; readonly secure: Secure }
    | { readonly kind: "not-now"; readonly because: string };
  /** The greeting, but for what the outbox knows. */
  hello(): Omit<Hello, "$typeName" | "$unknown" | "outboxId" | "lastSequence">;
}
