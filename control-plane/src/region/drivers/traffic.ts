/** Traffic, steered by whatever the traffic file declares; the run's epoch keeps a late order from undoing a newer one. */
import { OpsError } from "../../kernel/errors.js";
import { formatDuration } from "../../kernel/time.js";
import type { TrafficPolicy } from "../../traffic/domain/traffic-target.js";
import type { TrafficDriver } from "../../traffic/traffic.module.js";
import type { TrafficTarget } from "../domain/region-plan.js";
import type { Driver } from "../driver.js";
import { reasonOf } from "./postgres.js";

export interface TrafficPort {
  /** Where its traffic goes now, as whoever sends it says. Throws OpsError. */
  observe(target: string): Promise<{ readonly goesTo: readonly string[]; readonly because: string }>;
  /** Asked again with the same origin it changes nothing. Throws OpsError: ABORTED when another has steered since. */
  steer(
    target: string,
    to: string,
    origin: { readonly name: string; readonly epoch: number },
    reason: string,
  ): Promise<{ readonly because: string }>;
}

export function trafficDriver(port: TrafficPort): Driver<TrafficTarget> {
  return {
    async observe({ target, to }) {
      try {
        const { goesTo, because } = await port.observe(target);
        const isThere = goesTo.length === 1 && goesTo[0] === to;
        return { from: "none", to: isThere ? "active" : "ready", because };
      } catch (error) {
        if (!(error instanceof OpsError)) throw error;
        return { from: "none", to: "not-ready", because: error.message };
      }
    },
    async act({ target, to }, errand) {
      const origin = { name: `region:${errand.region}/${errand.step}`, epoch: errand.epoch };
      const { because } = await port.steer(target, to, origin, reasonOf(errand));
      return { kind: "acted", because };
    },
    async verify({ target, to }) {
      const { goesTo, because } = await port.observe(target);
      return goesTo.length === 1 && goesTo[0] === to
        ? { kind: "verified", because }
        : { kind: "not-yet", because };
    },
  };
}

/** By the traffic room: whatever it declares may be a step's target. */
export function trafficPort(
  driver: Pick<TrafficDriver, "observe" | "follow">,
  policy: () => TrafficPolicy,
): TrafficPort {
  return {
    async observe(id) {
      const target = policy().targets.find((one) => one.id === id);
      if (target === undefined) throw new OpsError("NOT_FOUND", `there is no traffic target "${id}"`);
      return driver.observe(target);
    },
    async steer(id, to, origin, reason) {
      const steer = await driver.follow(id, to, origin, reason);
      const hold = steer.begun?.hold ?? 0;
      const held = hold === 0 ? "" : `; clients may hold the old for ${formatDuration(hold)}`;
      return { because: `"${id}" goes to ${to}, by epoch ${steer.begun?.epoch ?? 0} of its own${held}` };
    },
  };
}
