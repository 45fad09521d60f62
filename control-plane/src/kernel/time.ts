/**
 * Time as values. Pure: who needs "now" is told it.
 */

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

/** Milliseconds. */
export type Duration = number;

export const SECOND: Duration = 1_000;
export const MINUTE: Duration = 60 * SECOND;
export const HOUR: Duration = 60 * MINUTE;
export const DAY: Duration = 24 * HOUR;

const UNITS: readonly (readonly [string, Duration])[] = [
  ["y", 365 * DAY],
  ["w", 7 * DAY],
  ["d", DAY],
  ["h", HOUR],
  ["m", MINUTE],
  ["s", SECOND],
  ["ms", 1],
];
const DURATION_FORM = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/**
 * Reads a duration in Prometheus' form: `5m`, `1h30m`, `250ms`; `0` alone is zero.
 * Answers undefined for anything else, so that the caller can name the place where it stood.
 */
export function parseDuration(text: string): Duration | undefined {
  if (text === "0") return 0;
  const match = text === "" ? null : DURATION_FORM.exec(text);
  if (match === null) return undefined;
  let total = 0;
  UNITS.forEach(([, length], index) => {
    const count = match[index + 1];
    if (count !== undefined) total += Number(count) * length;
  });
  return total;
}

/** Writes a duration in Prometheus' form, in the largest units that are exact: 90,000 → `1m30s`; 0 → `0s`. */
export function formatDuration(duration: Duration): string {
  if (duration === 0) return "0s";
  let rest = Math.abs(Math.round(duration));
  let text = duration < 0 ? "-" : "";
  for (const [unit, length] of UNITS) {
    // Years and weeks are written only when they leave no rest, as Prometheus does.
    if ((unit === "y" || unit === "w") && rest % length !== 0) continue;
    const count = Math.floor(rest / length);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * length;
  }
  return text;
}
