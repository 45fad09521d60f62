/** Traffic, steered by whatever the traffic file declares; the run's epoch keeps a late order from undoing a newer one. */
import { OpsError } from "../../kernel/errors.js";
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

/** Where nothing steers traffic. */
export const noTraffic: TrafficPort = {
  observe: async (target) => {
    throw new OpsError("NOT_FOUND", `there is no traffic target "${target}"`);
  },
  steer: async (target) => {
    throw new OpsError("NOT_FOUND", `there is no traffic target "${target}"`);
  },
};
