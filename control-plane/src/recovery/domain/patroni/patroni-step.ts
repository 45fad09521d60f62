/** What follows from something: records to be written down first, and then what Patroni is asked. */
import type { Instant } from "../../../kernel/time.js";
import type { PatroniRecord } from "./patroni-cluster.js";
import type { OpenOwner } from "./patroni-seen.js";

/** What Patroni is asked. */
export type PatroniEffect =
  | {
      readonly kind: "move";
      readonly epoch: number;
      readonly path: "/switchover" | "/failover";
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "pause"; readonly pause: boolean }
  | { readonly kind: "page"; readonly epoch: number; readonly because: string };

export interface PatroniStep {
  readonly records: readonly PatroniRecord[];
  readonly effects: readonly PatroniEffect[];
  readonly because: string;
}

/** What is remembered between looks; a replica that is started has only the first, from what was kept of the last look. */
export interface PatroniMemory {
  readonly open: (OpenOwner & { readonly at: Instant }) | undefined;
  /** When it was looked before. */
  readonly lookedAt: Instant | undefined;
  /** What Patroni was asked from here, and whether nothing came back. */
  readonly asking: { readonly epoch: number; readonly at: Instant; readonly lost: boolean } | undefined;
  /** When there was a replica that could be promoted; from the first look on. */
  readonly fitAt: Instant | undefined;
  /** When Patroni was last asked about its maintenance mode. */
  readonly pausedAt: Instant | undefined;
}

export const NO_MEMORY: PatroniMemory = {
  open: undefined,
  lookedAt: undefined,
  asking: undefined,
  fitAt: undefined,
  pausedAt: undefined,
};

export const nothing = (because: string): PatroniStep => ({ records: [], effects: [], because });
