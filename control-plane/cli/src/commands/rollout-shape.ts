/** The shape of a rollout as it is typed: `--waves 1,10%`, `--limits role=34%,zone=5`, `--match role=db`. */
import { Failure } from "../failure.js";

const PERCENT = /^(\d+(?:\.\d+)?)%$/;
const COUNT = /^[1-9]\d{0,8}$/;

/** `10%` or `5`. */
export function readAmount(flag: string, text: string): { readonly count: number; readonly percent: number } {
  const percent = PERCENT.exec(text)?.[1];
  if (percent !== undefined) return { count: 0, percent: Number(percent) };
  if (COUNT.test(text)) return { count: Number(text), percent: 0 };
  throw new Failure(`--${flag}: "${text}" is neither a number nor a share, expected such as 5 or 10%`);
}

const parts = (text: string | undefined): readonly string[] =>
  text === undefined || text === "" ? [] : text.split(",").map((part) => part.trim());

export const readWaves = (text: string | undefined) => parts(text).map((part) => readAmount("waves", part));

export const readNames = (text: string | undefined): string[] => parts(text).filter((part) => part !== "");

function readPair(flag: string, text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new Failure(`--${flag}: "${text}" is not of the form NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

export function readLimits(text: string | undefined) {
  return parts(text).map((part) => {
    const [label, amount] = readPair("limits", part);
    const { count, percent } = readAmount("limits", amount);
    return { label, max: count, percent };
  });
}

export const readLabels = (text: string | undefined): Record<string, string> =>
  Object.fromEntries(parts(text).map((part) => readPair("match", part)));

/** Seconds; `30s`, `5m`, `1h`. */
export function readSeconds(flag: string, text: string | undefined): number {
  if (text === undefined) return 0;
  const [, amount, unit] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  if (amount === undefined) throw new Failure(`--${flag} is "${text}", expected such as 30s, 5m or 1h`);
  return Number(amount) * (unit === "h" ? 3_600 : unit === "m" ? 60 : 1);
}

export function readCount(flag: string, text: string | undefined): number {
  if (text === undefined) return 0;
  if (COUNT.test(text)) return Number(text);
  throw new Failure(`--${flag} is "${text}", expected a number of at least 1`);
}
