/**
 * Text that came from a host is hostile: it may hold terminal escapes, bidirectional overrides, or a megabyte.
 * This is the one place where it is made fit to store and to show.
 */

// Control characters, line and paragraph separators, bidirectional and zero-width formatting.
const UNFIT = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** The text without control and formatting characters, at most `maxLength` UTF-16 units; a cut is marked with `…`. */
export function cleanText(text: string, maxLength: number): string {
  const clean = text.replace(UNFIT, " ").toWellFormed();
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength - 1).toWellFormed()}…`;
}
