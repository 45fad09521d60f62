/** Where the lines of a scale stand, and what is written at them. */
import { civilTime } from "../../../kernel/civil-time.js";
import { DAY, type Duration, HOUR, type Instant, MINUTE, SECOND } from "../../../kernel/time.js";

/** Round numbers between `low` and `high`, about `count` of them; both finite, `low` below `high`. */
export function valueTicks(low: number, high: number, count: number): readonly number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  if (!(step > 0) || !Number.isFinite(step)) return [];
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step); tick <= Math.floor(high / step) && ticks.length <= 2 * count; tick++)
    ticks.push(Number((tick * step).toPrecision(12)));
  return ticks;
}

/** A number in four digits and a letter for its size: `1.5k`, `23M`, `0.02`. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e15)) return value.toExponential(2);
  const [by, letter] = SIZES.find(([from]) => size >= from) ?? [1, ""];
  return `${Number((value / by).toPrecision(4))}${letter}`;
}

const SIZES: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

const TIME_STEPS: readonly Duration[] = [
  ...[SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE],
  ...[15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY],
];

/** Round times within the span, at most about `count` of them, with what is written there in UTC. */
export function timeTicks(
  from: Instant,
  to: Instant,
  count: number,
): readonly { readonly at: Instant; readonly text: string }[] {
  const step = TIME_STEPS.find((candidate) => (to - from) / candidate <= count) ?? (to - from) / count;
  const ticks: { at: Instant; text: string }[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step)
    ticks.push({ at, text: clockText(at, step) });
  return ticks;
}

function clockText(at: Instant, step: Duration): string {
  const { month, day, minuteOfDay, second } = civilTime(at, "UTC");
  const two = (value: number): string => String(value).padStart(2, "0");
  if (step >= DAY) return `${two(month)}-${two(day)}`;
  const clock = `${two(Math.floor(minuteOfDay / 60))}:${two(minuteOfDay % 60)}`;
  if (step >= 3 * HOUR && minuteOfDay === 0) return `${two(month)}-${two(day)}`;
  return step < MINUTE ? `${clock}:${two(second)}` : clock;
}
