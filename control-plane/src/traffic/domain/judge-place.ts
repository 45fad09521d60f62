/** Whether a target's traffic goes where it should: whoever changed it by hand asked nobody. */
import type { TrafficObservation } from "./observation.js";
import type { Steer } from "./steer.js";
import type { TrafficTarget } from "./traffic-target.js";

export interface PlaceVerdict {
  /** `unknown`: it cannot be seen where it goes. */
  readonly kind: "right" | "astray" | "unknown";
  readonly because: string;
}

/** `owner`: of the target's cluster; undefined when it follows none, or none is known. `last`: its newest steering that was done. */
export function judgePlace(
  target: TrafficTarget,
  seen: TrafficObservation | { readonly unseen: string },
  { owner, last }: { readonly owner: string | undefined; readonly last: Steer | undefined },
): PlaceVerdict {
  if ("unseen" in seen) return { kind: "unknown", because: seen.unseen };
  const astray = (because: string): PlaceVerdict => ({ kind: "astray", because });
  const [only, ...others] = seen.goesTo;
  if (only === undefined) return astray("traffic goes nowhere");
  if (others.length > 0) return astray(`traffic goes to ${seen.goesTo.join(" and ")}`);
  if (!Object.hasOwn(target.destinations, only))
    return astray(`traffic goes to ${only}, which is not declared`);
  if (owner !== undefined)
    return owner === only
      ? { kind: "right", because: `traffic goes to ${only}, which owns ${target.cluster}` }
      : astray(`traffic goes to ${only}, and ${owner} owns ${target.cluster}`);
  if (last !== undefined && last.to !== only)
    return astray(`traffic goes to ${only}, and was steered to ${last.to}`);
  return { kind: "right", because: `traffic goes to ${only}` };
}

/** The newest of these that was done; they stand newest first. */
export const newestDone = (steers: readonly Steer[]): Steer | undefined =>
  steers.find(({ steeredAt }) => steeredAt !== undefined);
