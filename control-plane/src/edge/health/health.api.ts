/** HealthService: the checks, the fleet and the alerts in one answer. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type HealthService, HealthStatus as Wire } from "@mainstay/proto/gen/mainstay/operator/v1/health_pb";
import type { ServiceImplementation } from "@mainstay/proto/service";
import type { CallContext } from "../../platform/call.js";
import type { Clock } from "../../platform/system.js";
import type { HealthChecks } from "./check-health.js";
import type { HealthStatus } from "./fold-health.js";
import { type HeadlineInput, headlines } from "./headlines.js";
import type { NodesReading } from "./judge-parts.js";

/** What the overview asks of the rooms. Each may reject: the overview then says that it could not be read. */
export interface OverviewReads {
  nodes(): Promise<NodesReading>;
  alerts(): Promise<{ readonly firing: number; readonly pending: number }>;
  commandsOpen(): Promise<number>;
  fullest(): Promise<HeadlineInput["fullest"]>;
  certificates(): Promise<NonNullable<HeadlineInput["certificates"]>>;
}

const WIRE: Readonly<Record<HealthStatus, Wire>> = {
  healthy: Wire.HEALTHY,
  degraded: Wire.DEGRADED,
  unhealthy: Wire.UNHEALTHY,
};

export function healthApi(
  checks: HealthChecks,
  reads: OverviewReads,
  clock: Clock,
): ServiceImplementation<typeof HealthService, CallContext> {
  return {
    async getOverview() {
      const unread: string[] = [];
      /** What cannot be read is said, and not taken for none. */
      const orSay = <T>(what: string, reading: Promise<T>): Promise<T | undefined> =>
        reading.catch(() => {
          unread.push(`${what} cannot be read now`);
          return undefined;
        });
      const [health, nodes, alerts, commandsOpen, fullest, certificates] = await Promise.all([
        checks.read(),
        orSay("nodes", reads.nodes()),
        orSay("alerts", reads.alerts()),
        orSay("commands", reads.commandsOpen()),
        orSay("filesystems", reads.fullest()),
        orSay("certificates", reads.certificates()),
      ]);
      const known = nodes ?? { live: 0, late: 0, lost: 0 };
      const told = headlines(
        {
          fullest,
          certificates,
          alertsFiring: alerts?.firing,
          nodes: known.live + known.late + known.lost,
        },
        clock.now(),
      );
      return {
        status: WIRE[health.status],
        at: timestampFromMs(health.at),
        components: health.components.map((component) => ({
          name: component.name,
          status: WIRE[component.status],
          because: component.because,
          seconds: component.seconds,
          figures: component.figures,
        })),
        nodesLive: known.live,
        nodesLate: known.late,
        nodesLost: known.lost,
        alertsFiring: alerts?.firing ?? 0,
        alertsPending: alerts?.pending ?? 0,
        commandsOpen: commandsOpen ?? 0,
        facts: [...told, ...unread],
      };
    },
  };
}
