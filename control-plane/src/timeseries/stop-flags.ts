/** What the word of shared memory by which a query is stopped says; 0: go on. */
export const STOP_CANCELLED = 1;
export const STOP_TIMED_OUT = 2;
