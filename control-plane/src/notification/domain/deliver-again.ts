/** What follows an attempt to deliver: done, once more and when, or given up. */

import { daysSinceEpoch } from "../../kernel/civil-time.js";
import { type Duration, HOUR, MINUTE, SECOND } from "../../kernel/time.js";

/** How an attempt went. */
export type DeliveryAnswer =
  | { readonly kind: "delivered"; readonly answer: string }
  /** It may work later: no answer, 429, 5xx. */
  | { readonly kind: "failed"; readonly answer: string; readonly retryAfter?: Duration }
  /** It will never work as it is: any other 4xx, a template that fails. */
  | { readonly kind: "refused"; readonly answer: string };

export type NextDelivery =
  | { readonly kind: "done"; readonly because: string }
  | { readonly kind: "again"; readonly after: Duration; readonly because: string }
  | { readonly kind: "give-up"; readonly because: string };

/** Attempts of one notice. The group's next look makes a new one, so giving up is not for ever. */
export const ATTEMPTS_MAX = 12;
const PAUSE_FIRST: Duration = SECOND;
const PAUSE_MAX: Duration = 2 * MINUTE;
/** A receiver that asks for more patience than this is asked again all the same. */
const RETRY_AFTER_MAX: Duration = HOUR;

/** `attempts` counts this one; `fraction` in [0, 1) spreads what failed together. */
export function deliverAgain(answer: DeliveryAnswer, attempts: number, fraction: number): NextDelivery {
  if (answer.kind === "delivered") return { kind: "done", because: answer.answer };
  if (answer.kind === "refused") return { kind: "give-up", because: `refused: ${answer.answer}` };
  if (attempts >= ATTEMPTS_MAX)
    return { kind: "give-up", because: `${attempts} attempts failed, the last: ${answer.answer}` };
  const most = Math.min(PAUSE_MAX, PAUSE_FIRST * 2 ** (attempts - 1));
  const asked = Math.min(answer.retryAfter ?? 0, RETRY_AFTER_MAX);
  // Never less than asked, and never all at the same moment.
  const after = Math.round(asked + Math.max(fraction * most, asked > 0 ? 0 : PAUSE_FIRST / 4));
  return { kind: "again", after, because: answer.answer };
}

/** What a status code of HTTP means for a notice. `retryAfter` is the header's text. */
export function answerOf(
  status: number,
  excerpt: string,
  retryAfter: string | undefined,
  now: number,
): DeliveryAnswer {
  const answer = excerpt === "" ? `HTTP ${status}` : `HTTP ${status}: ${excerpt}`;
  if (status >= 200 && status < 300) return { kind: "delivered", answer: `HTTP ${status}` };
  if (status !== 429 && status < 500) return { kind: "refused", answer };
  const pause = readRetryAfter(retryAfter, now);
  return { kind: "failed", answer, ...(pause === undefined ? {} : { retryAfter: pause }) };
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Seconds, or a date in the one form that HTTP writes today; undefined for anything else. */
export function readRetryAfter(text: string | undefined, now: number): Duration | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * SECOND;
  const match = /^\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/.exec(text.trim());
  if (match === null) return undefined;
  const [, day = 0, , year = 0, hour = 0, minute = 0, second = 0] = match.map(Number);
  const month = MONTHS.indexOf(match[2] ?? "");
  if (month < 0) return undefined;
  const days = daysSinceEpoch(year, month + 1, day);
  const at = ((days * 24 + hour) * 60 + minute) * MINUTE + second * SECOND;
  return Math.max(0, at - now);
}
