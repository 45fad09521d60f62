/** What is said about poolers as it goes over the wire, and what of it is taken: whole messages, and nothing else. */
import { create } from "@bufbuild/protobuf";
import { type FailoverMessage, FailoverMessageSchema } from "../../gen/mainstay/agent/v1/failover_pb.js";
import type {
  PoolerOrder as WiredOrder,
  PoolerReport as WiredReport,
} from "../../gen/mainstay/agent/v1/pooler_pb.js";
import type { PoolerOrder, PoolerReport } from "./poolers.js";

/** Longer names and sentences are no message, or are cut. */
const NAME_MAX = 63;
const SENTENCE_MAX = 500;

export function poolerOrderToWire(cluster: string, order: PoolerOrder): FailoverMessage {
  const { epoch, to, hold, lapseMs } = order;
  const value = {
    $typeName: "mainstay.agent.v1.PoolerOrder",
    epoch: BigInt(epoch),
    to,
    hold,
    lapseMs,
  } as const;
  return create(FailoverMessageSchema, { cluster, way: { case: "poolerOrder", value } });
}

export function poolerReportToWire(cluster: string, report: PoolerReport): FailoverMessage {
  const { epoch, to, holds, held, because } = report;
  const value = {
    $typeName: "mainstay.agent.v1.PoolerReport",
    epoch: BigInt(epoch),
    to: to ?? "",
    holds,
    held,
    because: because.slice(0, SENTENCE_MAX),
  } as const;
  return create(FailoverMessageSchema, { cluster, way: { case: "poolerReport", value } });
}

export function poolerOrderFromWire(wired: WiredOrder): PoolerOrder | undefined {
  const epoch = whole(wired.epoch);
  const { to, hold, lapseMs } = wired;
  if (epoch === undefined || to === "" || to.length > NAME_MAX || lapseMs === 0) return undefined;
  return { epoch, to, hold, lapseMs };
}

export function poolerReportFromWire(wired: WiredReport): PoolerReport | undefined {
  const epoch = whole(wired.epoch);
  const { to, holds, held, because } = wired;
  if (epoch === undefined || to.length > NAME_MAX) return undefined;
  return { epoch, to: to === "" ? null : to, holds, held, because: because.slice(0, SENTENCE_MAX) };
}

const whole = (value: bigint): number | undefined =>
  value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
