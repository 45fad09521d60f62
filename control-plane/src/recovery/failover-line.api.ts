/** Failover's messages on the agents' streams: wire ↔ what the protocol's reducers say and hear. */
import { create } from "@bufbuild/protobuf";
import type { Message } from "@mainstay/proto/failover/messages";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import { fromWire, policyName, toWire } from "@mainstay/proto/failover/wire";
import { type ConnectResponse, ConnectResponseSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";

/** The streams, as fleet offers them. */
export interface FailoverSessions {
  all(): Iterable<{
    readonly nodeName: string;
    readonly ready: boolean;
    send(message: ConnectResponse): boolean;
  }>;
}

/** What hears agents. */
export interface FailoverEars {
  policyOf(cluster: string): FailoverPolicy | undefined;
  hear(cluster: string, from: string, message: Message): void;
  /** It goes by another policy, and can neither be heard nor obey. */
  mishear(cluster: string, from: string): void;
}

/** As agents name it: whether a person has to approve is for the control plane alone, and agents are not told. */
const nameOf = (policy: FailoverPolicy): string => policyName({ ...policy, manual: false });

/** To a node's stream if it is here; else the message is lost, as any may be. */
export function failoverLine(
  sessions: FailoverSessions,
  policyOf: (cluster: string) => FailoverPolicy | undefined,
): (cluster: string, node: string, message: Message) => void {
  return (cluster, node, message) => {
    const policy = policyOf(cluster);
    if (policy === undefined) return;
    for (const session of sessions.all()) {
      if (session.nodeName !== node || !session.ready) continue;
      const value = toWire(cluster, nameOf(policy), message);
      session.send(create(ConnectResponseSchema, { body: { case: "failover", value } }));
      return;
    }
  };
}

/** `from` is the name of the node whose certificate the stream was opened with. */
export function hearFailover(ears: FailoverEars, from: string, said: FailoverMessage): void {
  const policy = ears.policyOf(said.cluster);
  if (policy === undefined) return;
  if (said.policy !== nameOf(policy)) {
    ears.mishear(said.cluster, from);
    return;
  }
  const message = fromWire(said);
  if (message !== undefined) ears.hear(said.cluster, from, message);
}
