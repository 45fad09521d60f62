/**
 * A cluster under failover, moved by its own desk and log: this only asks for a switchover when its owner is still there, and
 * else waits for the failover that its own driver begins. It never promotes anything itself.
 */
import type { Actor } from "../../kernel/actor.js";
import { formatDuration } from "../../kernel/time.js";
import type { Clock } from "../../platform/system.js";
import type { PostgresTarget } from "../domain/region-plan.js";
import type { Seen } from "../domain/standing.js";
import type { ActAnswer, Driver, Errand, VerifyAnswer } from "../driver.js";

/** A cluster as its own room tells of it. */
export interface ClusterSight {
  readonly owner: string;
  readonly epoch: number;
  /** Members that are heard now. */
  readonly inReach: readonly string[];
  /** Whom its own rules let be promoted. */
  readonly eligible: readonly string[];
  readonly paused: boolean;
  readonly open:
    | {
        readonly epoch: number;
        readonly kind: string;
        readonly phase: string;
        /** Why a person has to answer; undefined when nobody has to. */
        readonly awaits: string | undefined;
        readonly fencedBy: string | undefined;
        readonly candidate: string | undefined;
      }
    | undefined;
  /** What would be missing now: 0 when nothing, undefined when its own bound is one of bytes, null when nobody is relied on. */
  readonly missingMs: number | null | undefined;
  readonly says: string;
}

export interface PostgresPort {
  /** Undefined: it is not under failover, or nobody drives it. */
  look(cluster: string): Promise<ClusterSight | undefined>;
  /** The newest decision after which `owner` took it over, since `since`. */
  accountOf(
    cluster: string,
    owner: string,
    since: number,
  ): Promise<
    | {
        readonly epoch: number;
        readonly fencedBy: string;
        readonly missingMs: number | undefined;
        readonly says: string;
      }
    | undefined
  >;
  /** Asks once for one errand; answers what became of it. Throws OpsError. */
  switchOver(
    cluster: string,
    to: string,
    errand: { readonly reason: string; readonly by: Actor; readonly since: number },
  ): Promise<string>;
}

export function postgresDriver(
  port: PostgresPort,
  clock: Clock,
  part: "fence" | "promote",
): Driver<PostgresTarget> {
  return {
    async observe({ cluster, to }): Promise<Seen> {
      const sight = await port.look(cluster);
      if (sight === undefined)
        return { from: "none", to: "not-ready", because: `"${cluster}" is not driven by anyone now` };
      const { owner, epoch, inReach, eligible, missingMs } = sight;
      if (to.includes(owner)) {
        return { from: "none", to: "active", because: `${owner} owns epoch ${epoch}; ${sight.says}` };
      }
      const from = inReach.includes(owner) ? "alive" : "lost";
      const fit = to.filter((node) => inReach.includes(node) && eligible.includes(node));
      const because = `${owner} owns epoch ${epoch} and is ${from === "alive" ? "heard" : "not heard"}; fit there: ${fit.join(", ") || "nobody"}`;
      const isReady = fit.length > 0 || sight.open?.candidate !== undefined;
      return {
        from,
        to: isReady ? "ready" : "not-ready",
        because,
        // The log itself bounds what may be missing, however long ago the owner was lost.
        ...(part === "fence" || missingMs === undefined
          ? {}
          : { asOf: missingMs === null ? null : clock.now() - missingMs }),
      };
    },

    async act({ cluster, to }, errand): Promise<ActAnswer> {
      const sight = await port.look(cluster);
      if (sight === undefined) return { kind: "failed", because: `"${cluster}" is not driven by anyone now` };
      const { owner, epoch, open, inReach, paused } = sight;
      if (to.includes(owner) && open === undefined)
        return { kind: "acted", because: `${owner} owns epoch ${epoch}` };
      if (open !== undefined) {
        if (open.awaits !== undefined) {
          return {
            kind: "failed",
            because: `decision ${open.epoch} of ${cluster} waits for a person: ${open.awaits}`,
          };
        }
        return { kind: "acted", because: `decision ${open.epoch} of ${cluster} is open: ${open.phase}` };
      }
      if (!inReach.includes(owner)) {
        return paused
          ? { kind: "failed", because: `${owner} is not heard, and failover of ${cluster} is paused` }
          : { kind: "pending", because: `${owner} is not heard; its own driver is finding the loss` };
      }
      const fit = to.find((node) => inReach.includes(node) && sight.eligible.includes(node));
      if (fit === undefined)
        return { kind: "failed", because: `nobody of ${to.join(", ")} may be promoted: ${sight.says}` };
      const wish = { reason: reasonOf(errand), by: errand.by, since: errand.begunAt };
      return { kind: "pending", because: await port.switchOver(cluster, fit, wish) };
    },

    async verify({ cluster, to }, errand): Promise<VerifyAnswer> {
      const sight = await port.look(cluster);
      if (sight === undefined)
        return { kind: "not-yet", because: `"${cluster}" is not driven by anyone now` };
      const { owner, epoch, open } = sight;
      if (part === "fence" && open?.fencedBy !== undefined && open.kind !== "reopen")
        return {
          kind: "verified",
          because: `decision ${open.epoch}: the old owner is closed (${open.fencedBy})`,
        };
      if (!to.includes(owner)) {
        return open === undefined
          ? { kind: "undone", because: `no decision is open, and ${owner} still owns ${cluster}` }
          : { kind: "not-yet", because: `decision ${open.epoch} is at ${open.phase}` };
      }
      if (part === "promote" && open !== undefined && !PROVEN.has(open.phase))
        return { kind: "not-yet", because: `decision ${open.epoch} is at ${open.phase}` };
      const account = await port.accountOf(cluster, owner, errand.begunAt);
      if (account === undefined) return { kind: "verified", because: `${owner} owned epoch ${epoch} before` };
      if (part === "fence") {
        return {
          kind: "verified",
          because: `decision ${account.epoch}: the old owner is closed (${account.fencedBy})`,
        };
      }
      const { missingMs } = account;
      const missing =
        missingMs === undefined ? "" : `, at most ${formatDuration(Math.round(missingMs))} missing`;
      return {
        kind: "verified",
        because: `${owner} owns epoch ${account.epoch}: ${account.says}${missing}`,
        ...(missingMs === undefined ? {} : { missingMs }),
      };
    },
  };
}

/** A probe was written and read there. */
const PROVEN: ReadonlySet<string> = new Set(["verified", "routed"]);

export const reasonOf = ({ region, step, epoch }: Errand): string =>
  `region ${region}, run ${epoch}, step ${step}`;
