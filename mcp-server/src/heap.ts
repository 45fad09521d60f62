/**
 * How V8's young generation grows. Loading a thousand modules makes it grow to what no idle server needs, and it does
 * not give that back; so it stays small until everything is loaded.
 */
import { setFlagsFromString } from "node:v8";

export function startSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--optimize-for-size");
}

/** As V8 has it by default. */
export function growAsNeeded(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
  setFlagsFromString("--no-optimize-for-size");
}
