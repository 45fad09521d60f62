/**
 * Makes the partitions of the days around now, and drops those past their time.
 */
import { DAY, type Duration, HOUR, MINUTE } from "../kernel/time.js";
import type { Logger } from "../platform/logger.js";
import { Loop } from "../platform/loop.js";
import type { Clock } from "../platform/system.js";
import type { ChunkStore } from "./chunks.store.js";
import { dayOf } from "./hot-chunks.js";

/** How long chunks are kept, as Prometheus keeps its blocks. */
export const RETENTION_DEFAULT: Duration = 15 * DAY;

export interface RetentionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly chunks: ChunkStore;
  readonly retention: Duration;
}

/** Every replica runs it; the work is the same for all and guarded by a lock. */
export function createRetentionLoop({ clock, logger, chunks, retention }: RetentionDeps): Loop {
  return new Loop({
    name: "metric-retention",
    interval: HOUR,
    deadline: 5 * MINUTE,
    clock,
    logger,
    run: async (now) => {
      const today = dayOf(now);
      await chunks.ensureDays([today - 1, today, today + 1]);
      const dropped = await chunks.dropDaysBefore(dayOf(now - retention));
      if (dropped.length > 0) {
        logger.info("metric partitions past their time were dropped", {
          days: dropped.length,
          retentionMs: retention,
        });
      }
    },
  });
}
