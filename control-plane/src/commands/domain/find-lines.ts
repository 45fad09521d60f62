/** Which lines of a piece of output are shown for a search. PostgreSQL has found the piece; this only picks from it. */
import { cleanText } from "../../kernel/clean-text.js";

const LINES_SHOWN = 5;
const LINE_LENGTH = 300;

/** The words that a query looks for, in lower case; those that must not be there are none of them. */
export function wordsOf(query: string): readonly string[] {
  const parts = query.toLowerCase().match(/-?[\p{L}\p{N}][\p{L}\p{N}_./:@-]*/gu) ?? [];
  return [...new Set(parts.filter((part) => !part.startsWith("-") && part !== "or"))];
}

/** Lines with one of the words, made fit to be shown; the first line when the words stand there in another form. */
export function findLines(text: string, query: string): readonly string[] {
  const words = wordsOf(query);
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const found = lines.filter((line) => {
    const lower = line.toLowerCase();
    return words.some((word) => lower.includes(word));
  });
  return (found.length > 0 ? found : lines.slice(0, 1))
    .slice(0, LINES_SHOWN)
    .map((line) => cleanText(line, LINE_LENGTH));
}
