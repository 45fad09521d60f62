/** The agent's values as messages of the contract. */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ConnectRequest,
  ConnectRequestSchema,
  type Inventory,
  InventorySchema,
} from "@mainstay/proto/gen/mainstay/agent/v1/agent_pb";
import type { InventorySnapshot } from "../collect/reading.js";
import type { Announcement } from "./announcer.js";
import type { StoredFrame } from "./stored-frame.js";

/** Series in one message: with 64 labels of 1 KB each it still fits in 4 MB many times over in practice. */
const seriesPerMessage = 500;

/** The messages that make a set's layout known; none when it is. */
export function announcementMessages(announcement: Announcement): ConnectRequest[] {
  const messages: ConnectRequest[] = [];
  for (let from = 0; from < announcement.series.length; from += seriesPerMessage) {
    const series = announcement.series.slice(from, from + seriesPerMessage).map(({ ref, labels }) => ({
      $typeName: "mainstay.agent.v1.Series" as const,
      ref,
      labels: [...labels],
    }));
    messages.push(
      create(ConnectRequestSchema, {
        body: { case: "series", value: { $typeName: "mainstay.agent.v1.SeriesAnnouncement", series } },
      }),
    );
  }
  if (announcement.refs !== undefined) {
    const { layoutId, refs } = announcement;
    messages.push(
      create(ConnectRequestSchema, {
        body: { case: "layout", value: { $typeName: "mainstay.agent.v1.Layout", layoutId, refs: [...refs] } },
      }),
    );
  }
  return messages;
}

/** A frame's message. */
export function frameMessage(layoutId: number, frame: StoredFrame): ConnectRequest {
  const { sequence, timestampMs, values } = frame;
  return create(ConnectRequestSchema, {
    body: {
      case: "frame",
      value: {
        $typeName: "mainstay.agent.v1.Frame",
        sequence,
        layoutId,
        timestampMs: BigInt(timestampMs),
        values,
      },
    },
  });
}

/** An inventory's message. Its hash leaves out what always changes: when it was taken, and what processes use. */
export function inventoryMessage(snapshot: InventorySnapshot): Inventory {
  const { certificates, services, processes } = snapshot;
  const lasting = [certificates, services, processes.map(({ pid, name, user }) => [pid, name, user])];
  return create(InventorySchema, {
    hash: createHash("sha256").update(JSON.stringify(lasting)).digest("hex"),
    takenAt: timestampFromMs(snapshot.takenAtMs),
    certificates: certificates.map(({ notBeforeMs, notAfterMs, names, ...rest }) => ({
      ...rest,
      names: [...names],
      ...within("notBefore", notBeforeMs),
      ...within("notAfter", notAfterMs),
    })),
    services: services.map((service) => ({ ...service })),
    processes: processes.map(({ residentBytes, ...rest }) => ({
      ...rest,
      residentBytes: BigInt(Math.max(0, Math.trunc(residentBytes))),
    })),
  });
}

function within<K extends string>(key: K, ms: number | undefined): { [P in K]?: Timestamp } {
  const found: { [P in K]?: Timestamp } = {};
  if (ms !== undefined) found[key] = timestampFromMs(ms);
  return found;
}
