/** What is ambient: the clock, for queries up to now. */

/** Milliseconds since 1970. */
export const wallTime = (): number => Date.now();
