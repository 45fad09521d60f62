/** An adopted cluster as it is shown beside the others. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { RecoveryClusterViewSchema } from "@mainstay/proto/gen/mainstay/operator/v1/recovery_pb";
import type { PatroniMemberSeen } from "../domain/patroni/patroni-seen.js";
import { fitReplicas, openOwner } from "../domain/patroni/patroni-seen.js";
import type { AdoptedCluster } from "./patroni.store.js";

export function adoptedToWire({
  cluster,
  policy,
  state,
  observed,
  releasedAt,
}: AdoptedCluster): MessageInitShape<typeof RecoveryClusterViewSchema> {
  const { decision, hold } = state;
  const seen = observed?.seen.seen;
  const open = seen === undefined ? undefined : openOwner(seen);
  const primary = open?.leader ?? state.leader;
  return {
    cluster,
    keptBy: `Patroni ${seen?.version ?? ""}`.trim(),
    timeline: BigInt(open?.timeline ?? state.timeline),
    primary,
    epoch: BigInt(state.taken),
    mode: seen?.settings?.synchronous === true ? "synchronous" : "asynchronous",
    manual: policy.manual,
    eligible: seen === undefined ? [] : fitReplicas(seen).map(({ name }) => name),
    // Of one whose every failover needs a person that is how it is meant to be.
    paused: hold !== null || (seen?.paused === true && !policy.manual),
    phase: decision?.phase ?? "",
    decisionEpoch: BigInt(decision?.epoch ?? 0),
    awaits: decision?.phase === "waits" ? (decision.ask ?? "") : "",
    because: [observed?.seen.because ?? "", ...(seen?.silent ?? [])].filter((text) => text !== "").join("; "),
    ...(observed === undefined ? {} : { observedAt: timestampFromMs(Math.floor(observed.at)) }),
    ...(releasedAt === undefined ? {} : { releasedAt: timestampFromMs(Math.floor(releasedAt)) }),
    members: (seen?.members ?? []).map((member) => ({
      node: member.name,
      role: roleOf(member),
      lsn: BigInt(member.own?.lsn ?? 0),
      streaming: roleOf(member) === "replica" && member.lag !== undefined,
      following: roleOf(member) === "replica" ? primary : "",
      ...(member.own === undefined ? {} : { silentMs: 0n }),
    })),
  };
}

/** In the words of the other clusters; for one that does not answer, what Patroni's store still says of it is no news. */
function roleOf({ own, unasked, role }: PatroniMemberSeen): string {
  if (own === undefined) return unasked ? (role === "leader" ? "primary" : "replica") : "";
  if (!own.running) return "restarting";
  return own.primary ? "primary" : "replica";
}
