/** Times as callers write them. */
import { OpsError } from "../errors.js";

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const TIME_WORDS = "RFC 3339 (2026-11-22T12:00:00Z), unix seconds, or how long ago (-15m, -2h, -1d)";

/** Milliseconds since the epoch. Throws INVALID_ARGUMENT that names the argument, the value and what is expected. */
export function parseTime(argument: string, text: string, now: number): number {
  const ago = /^-(\d{1,6})([smhd])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (UNIT_MS[ago[2] ?? ""] ?? 0);
  if (/^\d{1,12}(?:\.\d{1,9})?$/.test(text)) return Math.round(Number(text) * 1_000);
  const ms = /^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new OpsError(
      "INVALID_ARGUMENT",
      `${argument} is ${JSON.stringify(text.slice(0, 60))}: expected ${TIME_WORDS}`,
    );
  }
  return ms;
}

// Steps people read easily; Prometheus' own interfaces use much the same.
const STEPS_S = [15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400];

/** The smallest readable step (s) at which a range gives at most `points` points. */
export function readableStep(rangeMs: number, points: number): number {
  const least = rangeMs / 1_000 / points;
  return STEPS_S.find((step) => step >= least) ?? Math.ceil(least / 86_400) * 86_400;
}
