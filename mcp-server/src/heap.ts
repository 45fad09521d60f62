/**
 * How V8's young generation grows. Loading a thousand modules makes it grow to what no idle server needs, and it does
 * not give that back; so it stays small until everything is loaded, and under load it grows only as far as it pays.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Of both halves; beyond this a call's cost hardly falls, and its memory is never given back. */
const YOUNG_BYTES = 8 * 1_024 * 1_024;
const LOOK_MS = 250;

export function startSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--optimize-for-size");
}

/** Lets it grow from now on, to its bound. */
export function growAsNeeded(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
  setFlagsFromString("--no-optimize-for-size");
  const looking = setInterval(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
    if (young === undefined || young.space_size < YOUNG_BYTES) return;
    setFlagsFromString("--semi-space-growth-factor=1");
    clearInterval(looking);
  }, LOOK_MS);
  looking.unref();
}
