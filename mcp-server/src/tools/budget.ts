/**
 * What an answer may cost whoever reads it, in tokens of a language model. Tokens are estimated, for every model has its
 * own; the estimate is checked against a real tokenizer in budget.test.ts and errs on the dear side.
 */

/** Tokens of an answer when the caller says nothing. */
export const TOKENS_DEFAULT = 4_000;
/** Tokens of an answer whatever the caller says. */
export const TOKENS_MAX = 20_000;
export const TOKENS_MIN = 200;

/** Of an answer's tokens, the share for its rows; the text, which says the same to readers, gets the rest. */
export const ROWS_SHARE = 0.6;

/** Nothing that long is ever whole in an answer. */
const CHARS_MAX = 400_000;

// Words and their capitals, numbers by three digits as tokenizers cut them, runs of marks and of blanks, and every other letter by itself.
const PIECES = /[A-Z]?[a-z]+|[A-Z]+|\d{1,3}|[!-/:-@[-`{-~]+|\s+|./gsu;
const LETTERS_EACH = 4;
const MARKS_EACH = 3;
/** Of scripts without blanks a letter is about a token; of others a word is a few. */
const FOREIGN_EACH = 1;

/** About how many tokens a text is. */
export function tokensIn(text: string): number {
  let tokens = 0;
  for (const [piece] of text.slice(0, CHARS_MAX).matchAll(PIECES)) {
    const code = piece.charCodeAt(0);
    if (code > 126) tokens += FOREIGN_EACH;
    else if (/[A-Za-z]/.test(piece)) tokens += Math.ceil(piece.length / LETTERS_EACH);
    else if (/\d/.test(piece)) tokens += 1;
    else if (/\s/.test(piece)) tokens += piece === " " ? 0 : Math.ceil(piece.length / 4);
    else tokens += Math.ceil(piece.length / MARKS_EACH);
  }
  return Math.ceil(tokens + Math.max(0, text.length - CHARS_MAX));
}

/** About how many tokens a value is as JSON. */
export function tokensOf(value: unknown): number {
  return tokensIn(JSON.stringify(value) ?? "");
}

/** As many whole lines from the beginning as cost at most `tokens`, at least one, and how many were left out. */
export function linesWithin(text: string, tokens: number): { readonly kept: string; readonly left: number } {
  const lines = text.split("\n");
  const kept: string[] = [];
  let spent = 0;
  for (const line of lines) {
    spent += tokensIn(line) + 1;
    if (spent > tokens) break;
    kept.push(line);
  }
  if (kept.length === 0) kept.push(beginning(lines[0] ?? "", tokens));
  return { kept: kept.join("\n"), left: lines.length - kept.length };
}

/** The longest beginning of one line that costs at most `tokens`, found by halving. */
function beginning(line: string, tokens: number): string {
  if (tokensIn(line) <= tokens) return line;
  let low = 0;
  let high = line.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (tokensIn(line.slice(0, middle)) <= tokens) low = middle;
    else high = middle - 1;
  }
  return line.slice(0, low);
}

/** As many rows from the beginning as cost at most `tokens`, at least one if there is any. */
export function rowsWithin<T>(rows: readonly T[], tokens: number): T[] {
  const kept: T[] = [];
  let left = tokens;
  for (const row of rows) {
    left -= tokensOf(row) + 1;
    if (left < 0 && kept.length > 0) break;
    kept.push(row);
  }
  return kept;
}
