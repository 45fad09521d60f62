/** The poolers that an agent looks after, put together. Wiring only. */
import { poolerOrderFromWire, poolerReportToWire } from "@mainstay/proto/failover/poolers-wire";
import type { FailoverMessage } from "@mainstay/proto/gen/mainstay/agent/v1/failover_pb";
import type { Log } from "../../log.js";
import type { System } from "../../system.js";
import { Pooler } from "./pooler.js";
import type { PoolerSettings } from "./settings.js";

export interface Poolers {
  /** Whether it was for a pooler. */
  received(message: FailoverMessage): boolean;
  stop(): Promise<void>;
}

export function startPoolers(parts: {
  readonly settings: readonly PoolerSettings[];
  readonly system: System;
  readonly log: Log;
  /** Says it to the control plane now, or drops it. */
  readonly say: (message: FailoverMessage) => void;
}): Poolers {
  const { system, log, say } = parts;
  const poolers = new Map<string, Pooler>();
  for (const settings of parts.settings) {
    const { cluster } = settings;
    const tell = (report: Parameters<typeof poolerReportToWire>[1]): void =>
      say(poolerReportToWire(cluster, report));
    const pooler = new Pooler({ settings, system, log, say: tell });
    pooler.start();
    poolers.set(cluster, pooler);
    log("info", "looks after pgbouncers", { cluster, count: settings.bouncers.length });
  }
  return {
    received: ({ cluster, way }) => {
      if (way.case !== "poolerOrder") return false;
      const order = poolerOrderFromWire(way.value);
      if (order !== undefined) poolers.get(cluster)?.received(order);
      return true;
    },
    stop: async () => {
      await Promise.all([...poolers.values()].map((pooler) => pooler.stop()));
    },
  };
}
