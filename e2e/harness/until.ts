/** Waiting in tests: for a condition, with the reason it did not come. */

/** Pauses. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The first value of `look` that is not undefined. Looks every 50 ms; throws when `withinMs` has passed, with what was
 * wanted and the last error. Errors of `look` count as "not yet".
 */
export async function until<T>(
  wanted: string,
  look: () => Promise<T | undefined> | T | undefined,
  withinMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${withinMs} ms for: ${wanted}`, { cause: last });
    }
    await pause(50);
  }
}

/** `until` for a condition. */
export async function untilTrue(
  wanted: string,
  holds: () => Promise<boolean> | boolean,
  withinMs?: number,
): Promise<void> {
  await until(wanted, async () => ((await holds()) ? true : undefined), withinMs);
}
