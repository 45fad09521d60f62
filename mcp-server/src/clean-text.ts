/**
 * Text that came from a host, or from anybody through the control plane, is hostile: it may hold terminal escapes,
 * invisible characters that a model reads and a person does not see, or a megabyte. Here it is made fit to hand on.
 * That it is still only data is said where it is put into an answer (tools/answer.ts).
 */

// ESC [ ... letter; ESC ] ... BEL or ESC \; and the two-character escapes. Removed whole, for their tails are printable.
const ESCAPES = new RegExp(
  [
    String.raw`(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]`,
    String.raw`(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c]{0,4096}(?:\u0007|\u001b\\|\u009c)`,
    String.raw`\u001b[@-Z\\-_]`,
  ].join("|"),
  "gu",
);
// Bidirectional and zero-width formatting, tags, variation selectors and fillers: nothing to be seen, much to be read.
const INVISIBLE = /[\p{Cf}\u115f\u1160\u3164\uffa0]|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]|\u034f/gu;
const CONTROLS = /[\p{Cc}\u2028\u2029]+/gu;
const CONTROLS_IN_BLOCK = /(?![\n\t])[\p{Cc}]/gu;
const LONE_SURROGATES = /\p{Cs}/gu;

/** At most `max` UTF-16 units; a cut says how much is missing. */
export function bound(text: string, max: number): string {
  if (text.length <= max) return text;
  const head = text.slice(0, max).replace(LONE_SURROGATES, "");
  return `${head}… (${text.length - head.length} more characters)`;
}

// Work is bounded before it is done: nothing behind this many times the bound could be shown anyway.
const CLEANED_AHEAD = 4;

/** One line without control or invisible characters; runs of them become one space. */
export function cleanLine(text: string, max: number): string {
  const clean = text
    .slice(0, max * CLEANED_AHEAD)
    .replace(ESCAPES, "")
    .replace(INVISIBLE, "")
    .replace(CONTROLS, " ")
    .replace(LONE_SURROGATES, "\ufffd");
  const unseen = Math.max(0, text.length - max * CLEANED_AHEAD);
  if (clean.length <= max && unseen === 0) return clean;
  const head = clean.slice(0, max).replace(LONE_SURROGATES, "");
  return `${head}… (${clean.length - head.length + unseen} more characters)`;
}

/** Lines, with their breaks and tabs, and nothing else that is not seen. Not bounded: bound the input. */
export function cleanBlock(text: string): string {
  return text
    .replace(/\r\n?|[\u2028\u2029]/gu, "\n")
    .replace(ESCAPES, "")
    .replace(INVISIBLE, "")
    .replace(CONTROLS_IN_BLOCK, "")
    .replace(LONE_SURROGATES, "\ufffd");
}

/** What JSON may be, once read. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

const DEPTH_MAX = 6;
const STRING_MAX = 300;
const ITEMS_MAX = 50;

/**
 * JSON from elsewhere, with every text cleaned and everything bounded: depth 6, 50 items or members each, texts of 300
 * characters, and `budget` characters in all. What is left out is named where it stood. Text that is not JSON becomes a
 * cleaned text; an empty one null.
 */
export function cleanJson(text: string, budget: number): Json {
  if (text === "") return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return cleanLine(text, Math.min(budget, STRING_MAX));
  }
  let left = budget;
  const spend = (cost: number): boolean => {
    left -= cost;
    return left >= 0;
  };
  const walk = (item: unknown, depth: number): Json => {
    if (typeof item === "string") {
      const clean = cleanLine(item, STRING_MAX);
      return spend(clean.length + 2) ? clean : "… (left out)";
    }
    if (typeof item !== "object" || item === null) {
      spend(8);
      return typeof item === "number" || typeof item === "boolean" ? item : null;
    }
    if (depth >= DEPTH_MAX) return "… (deeper)";
    if (Array.isArray(item)) {
      const kept: Json[] = [];
      for (const element of item) {
        if (kept.length >= ITEMS_MAX || left <= 0) {
          kept.push(`… (${item.length - kept.length} more)`);
          break;
        }
        kept.push(walk(element, depth + 1));
      }
      return kept;
    }
    const members = Object.entries(item);
    const kept: [string, Json][] = [];
    for (const [name, member] of members) {
      if (kept.length >= ITEMS_MAX || left <= 0) {
        kept.push(["…", `${members.length - kept.length} more`]);
        break;
      }
      const clean = cleanLine(name, 100);
      spend(clean.length + 4);
      kept.push([clean, walk(member, depth + 1)]);
    }
    return Object.fromEntries(kept);
  };
  return walk(value, 0);
}
