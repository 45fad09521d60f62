/** Length of each unit in ms, longest first; the order in which Prometheus wants them written. */
const UNITS: readonly (readonly [string, number])[] = [
  ["y", 365 * 86_400_000],
  ["w", 7 * 86_400_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];

/** The longest duration, in ms: what Prometheus' signed 64 bits of nanoseconds can hold. */
export const MAX_DURATION_MS = 9_223_372_036_854;

/**
 * The length in ms of a duration in Prometheus' notation (`1h30m`, `500ms`), or the reason why it is none,
 * in Prometheus' words. Units may be left out but not repeated, and stand from long to short.
 */
export function parseDuration(text: string): number | { readonly invalid: string } {
  if (text === "") return { invalid: "empty duration string" };
  if (text === "0") return 0;
  let total = 0;
  let lastUnit = -1;
  let rest = text;
  while (rest !== "") {
    const digits = /^[0-9]+/.exec(rest)?.[0];
    if (digits === undefined) return { invalid: `not a valid duration string: ${JSON.stringify(text)}` };
    rest = rest.slice(digits.length);
    const unit = /^[^0-9]*/.exec(rest)?.[0] ?? "";
    if (unit === "") return { invalid: `not a valid duration string: ${JSON.stringify(text)}` };
    rest = rest.slice(unit.length);
    const place = UNITS.findIndex(([name]) => name === unit);
    const length = UNITS[place]?.[1];
    if (length === undefined) {
      return { invalid: `unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}` };
    }
    if (place <= lastUnit) return { invalid: `not a valid duration string: ${JSON.stringify(text)}` };
    lastUnit = place;
    total += Number(digits) * length;
    if (total > MAX_DURATION_MS) return { invalid: "duration out of range" };
  }
  return total;
}

/** A duration of `ms` (whole, at least 0) as Prometheus prints it: `1h30m`; weeks and years only where they fit exactly. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  if (rest === 0) return "0s";
  let out = "";
  for (const [unit, length] of UNITS) {
    if ((unit === "y" || unit === "w") && rest % length !== 0) continue;
    const count = Math.floor(rest / length);
    if (count === 0) continue;
    out += `${count}${unit}`;
    rest -= count * length;
  }
  return out;
}
