/** The one port behind which traffic is steered, whatever steers it. */
import type { TrafficObservation } from "../domain/observation.js";

export interface TrafficAdapter {
  /** Where traffic goes now. Throws OpsError; UNAVAILABLE when who knows cannot be reached. */
  observe(): Promise<TrafficObservation>;
  /**
   * Sends traffic to `to` and writes the epoch beside it. Done again it changes nothing. `changed`: what was seen does not
   * stand there any more, and nothing was done. Throws OpsError.
   */
  steer(order: SteerOrder, seen: TrafficObservation): Promise<"done" | "changed">;
}

export interface SteerOrder {
  /** Name of a destination. */
  readonly to: string;
  readonly epoch: number;
}
