/** What is ambient: the clock, for queries up to now, and names that nobody has given before. */
import { randomUUID } from "node:crypto";

/** Milliseconds since 1970. */
export const wallTime = (): number => Date.now();

/** A name for a request of our own. */
export const requestId = (): string => randomUUID();
