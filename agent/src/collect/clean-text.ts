/** Text found on a host, made fit to be shown: it may hold anything, terminal sequences and turned directions among it. */

// Control characters, format characters (zero width, direction overrides), separators, halves of pairs, private use.
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

/** At most `max` UTF-16 units, with everything unfit to be shown replaced by U+FFFD. */
export function cleanText(text: string, max: number): string {
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return cut.replaceAll(UNFIT, "\ufffd");
}
