/** Failover's messages on the agents' streams: wire ↔ what the protocol's reducers say and hear. */
import { create } from "@bufbuild/protobuf";
import type { Message } from "@mainstay/proto/failover/messages";
import type { FailoverPolicy } from "@mainstay/proto/failover/policy";
import { type PoolerOrder, type PoolerReport, poolersOf } from "@mainstay/proto/failover/poolers";
import { poolerOrderToWire, poolerReportFromWire } from "@mainstay/proto/failover/poolers-wire";
import { fromWire, policyName, toWire } from "@mainstay/proto/failover/wire";
import { type ConnectResponse, ConnectResponseSchema } from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import { cleanText } from "../kernel/clean-text.js";

/** What an agent gives as its reason is text from a host. */
const BECAUSE_MAX = 300;

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
  hearPooler(cluster: string, from: string, report: PoolerReport): void;
  /** It goes by another policy, and can neither be heard nor obey. */
  mishear(cluster: string, from: string): void;
}

/** As agents name it: whether a person has to approve is for the control plane alone, and agents are not told. */
const nameOf = (policy: FailoverPolicy): string => policyName({ ...policy, manual: false });

/** To a node's stream if it is here; else the message is lost, as any may be. */
function sayTo(sessions: FailoverSessions, node: string, value: FailoverMessage): void {
  for (const session of sessions.all()) {
    if (session.nodeName !== node || !session.ready) continue;
    session.send(create(ConnectResponseSchema, { body: { case: "failover", value } }));
    return;
  }
}

/** To the members of clusters. */
export function failoverLine(
  sessions: FailoverSessions,
  policyOf: (cluster: string) => FailoverPolicy | undefined,
): (cluster: string, node: string, message: Message) => void {
  return (cluster, node, message) => {
    const policy = policyOf(cluster);
    if (policy !== undefined) sayTo(sessions, node, toWire(cluster, nameOf(policy), message));
  };
}

/** To those that look after poolers. */
export function poolerLine(
  sessions: FailoverSessions,
): (cluster: string, node: string, order: PoolerOrder) => void {
  return (cluster, node, order) => sayTo(sessions, node, poolerOrderToWire(cluster, order));
}

/** `from` is the name of the node whose certificate the stream was opened with. */
export function hearFailover(ears: FailoverEars, from: string, said: FailoverMessage): void {
  const policy = ears.policyOf(said.cluster);
  if (policy === undefined) return;
  if (said.way.case === "poolerReport") {
    const report = poolerReportFromWire(said.way.value);
    if (report === undefined || !poolersOf(policy).includes(from)) return;
    ears.hearPooler(said.cluster, from, { ...report, because: cleanText(report.because, BECAUSE_MAX) });
    return;
  }
  if (said.policy !== nameOf(policy)) {
    ears.mishear(said.cluster, from);
    return;
  }
  const message = fromWire(said);
  if (message !== undefined) ears.hear(said.cluster, from, message);
}
