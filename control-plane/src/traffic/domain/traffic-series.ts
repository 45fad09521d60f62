/** What is seen of traffic, as series: rules watch it as they watch anything else. */
import type { Labels } from "../../kernel/labels.js";
import type { Instant } from "../../kernel/time.js";
import type { PlaceVerdict } from "./judge-place.js";
import type { HealthVerdict } from "./judge-votes.js";
import type { TrafficObservation } from "./observation.js";
import type { TrafficTarget } from "./traffic-target.js";

export interface TrafficSample {
  readonly labels: Labels;
  readonly timestampMs: Instant;
  readonly value: number;
}

/** 1 for what holds. Of a target that cannot be seen there is only that; of health that is unknown there is nothing. */
export function trafficSamples(
  target: TrafficTarget,
  seen: TrafficObservation | { readonly unseen: string },
  place: PlaceVerdict,
  health: ReadonlyMap<string, HealthVerdict>,
  at: Instant,
): readonly TrafficSample[] {
  const sample = (name: string, value: number, more: Labels = {}): TrafficSample => ({
    labels: { __name__: `mainstay_traffic_${name}`, target: target.id, ...more },
    timestampMs: at,
    value,
  });
  const healthy = [...health].flatMap(([destination, { kind }]) =>
    kind === "unknown" ? [] : [sample("destination_healthy", kind === "healthy" ? 1 : 0, { destination })],
  );
  if ("unseen" in seen) return [sample("seen", 0), ...healthy];
  return [
    sample("seen", 1),
    sample("astray", place.kind === "astray" ? 1 : 0),
    ...Object.keys(target.destinations).map((destination) =>
      sample("goes_to", seen.goesTo.includes(destination) ? 1 : 0, { destination }),
    ),
    ...healthy,
  ];
}
