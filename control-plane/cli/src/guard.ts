/** Whether this context may be changed now: a context is read-only unless it says otherwise or was armed for a while. */
import { formatDuration } from "#src/kernel/time";
import { armedFile, type Context, readArmed } from "./contexts.js";
import { EXIT } from "./exit-codes.js";
import { Failure } from "./failure.js";
import type { Environment, Place } from "./place.js";

export interface Guard {
  /** The context's name. */
  readonly context: string;
  readonly contextsFile: string;
  readonly armedFile: string;
}

/**
 * Throws {@link Failure} when a change is refused; answers the note that says until when it is not, or undefined for a
 * context that always may be changed. `MAINSTAY_READ_ONLY=false` is for scripts.
 */
export async function letChange(
  name: string,
  context: Context,
  env: Environment,
  place: Place,
  now: number,
): Promise<string | undefined> {
  if (env["MAINSTAY_READ_ONLY"] === "false" || !context.readOnly) return undefined;
  const armed = await readArmed(armedFile(env, place));
  const until = Object.hasOwn(armed, name) ? (armed[name] ?? 0) : 0;
  if (now < until) {
    const left = formatDuration(Math.max(1_000, Math.ceil((until - now) / 1_000) * 1_000));
    return `[armed: context "${name}" may be changed for ${left} more; mainstay disarm ends it]`;
  }
  const flag = name === "default" ? "" : ` --context ${name}`;
  throw new Failure(
    `context "${name}" is read-only; "mainstay arm 10m${flag}" lets it be changed for ten minutes`,
    EXIT.denied,
  );
}
