/** How long to wait before the next try. Pure. */

/** Bounds of the wait. */
export interface BackoffBounds {
  /** The most that the first wait can be, in ms. Default 1000. */
  readonly baseMs: number;
  /** The most that any wait can be, in ms. Default 30000. */
  readonly capMs: number;
}

export const linkBackoff: BackoffBounds = { baseMs: 1000, capMs: 30_000 };
/** Of the few nodes whose database is failed over: redundancy waits for them. */
export const urgentBackoff: BackoffBounds = { baseMs: 300, capMs: 2_000 };
/** When only a person can help (a certificate refused, a token used up), asking often helps nobody. */
export const slowBackoff: BackoffBounds = { baseMs: 30_000, capMs: 300_000 };

/**
 * Full jitter: uniform between nothing and the bound, which doubles with each failed try. It spreads a herd of agents
 * evenly, which a fixed wait with a little jitter does not.
 *
 * @param failures tries that failed before this wait, 0 for none
 * @param draw uniform in [0, 1)
 */
export function backoffMs(failures: number, draw: number, bounds: BackoffBounds = linkBackoff): number {
  const ceiling = Math.min(bounds.capMs, bounds.baseMs * 2 ** Math.min(failures, 30));
  return Math.floor(ceiling * draw);
}
