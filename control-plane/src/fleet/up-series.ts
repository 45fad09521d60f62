/** The `up` series of agents: whether each was heard within two heartbeats, as Prometheus says it of its targets. */
import type { Labels } from "../kernel/labels.js";
import type { Instant } from "../kernel/time.js";

/** One sample; what the time-series room takes. */
export interface UpSample {
  readonly labels: Labels;
  readonly timestampMs: Instant;
  readonly value: number;
}

export interface Up {
  /** The node's. */
  readonly name: string;
  readonly up: boolean;
}

export function upSamples(nodes: readonly Up[], at: Instant): readonly UpSample[] {
  return nodes.map(({ name, up }) => ({
    labels: { __name__: "up", job: "mainstay-agent", instance: name, node: name },
    timestampMs: at,
    value: up ? 1 : 0,
  }));
}
