/** What to do after a remote write was answered, or was not. */
import { type Duration, MINUTE, SECOND } from "../../kernel/time.js";

export const BACKOFF_MIN: Duration = SECOND;
export const BACKOFF_MAX: Duration = MINUTE;

export type WriteAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly kind: "unreachable" };

export type WriteVerdict =
  | { readonly kind: "taken" }
  /** The engine will never take it: it is counted and left behind. */
  | { readonly kind: "refused"; readonly because: string }
  | { readonly kind: "again"; readonly after: Duration; readonly because: string };

/**
 * `failures` counts those in a row before this one; `draw` is uniform in [0, 1). What was refused as a request (4xx) is
 * never sent again, else one bad sample would hold all that come after it; 429 and 5xx are, as the specification has it.
 */
export function judgeWrite(answer: WriteAnswer, failures: number, draw: number): WriteVerdict {
  if (answer.kind === "unreachable")
    return { kind: "again", after: backoff(failures, draw), because: "the engine cannot be reached" };
  const { status, retryAfter } = answer;
  if (status >= 200 && status < 300) return { kind: "taken" };
  const because = `the engine answered HTTP ${status}`;
  // Who must log in, or is sent to the wrong place, is put right by a person; until then it waits in the chunks.
  if (status === 401 || status === 403 || status === 404 || status === 429 || status >= 500) {
    const asked = Number(retryAfter) * SECOND;
    const wait = Math.max(backoff(failures, draw), Number.isFinite(asked) ? asked : 0);
    return { kind: "again", after: Math.min(wait, BACKOFF_MAX), because };
  }
  return { kind: "refused", because };
}

function backoff(failures: number, draw: number): Duration {
  const ceiling = Math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ** Math.min(failures, 20));
  return Math.ceil(ceiling / 2 + (ceiling / 2) * draw);
}
