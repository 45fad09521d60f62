import { AGGREGATORS } from "./ast.js";
import { quote } from "./quote.js";

/** Words with a meaning of their own, in any case; the type of the token is the word in lower case. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  "and",
  "or",
  "unless",
  "atan2",
  ...AGGREGATORS,
  "limitk",
  "limit_ratio",
  "offset",
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "bool",
  "start",
  "end",
]);

/** Words that name an aggregation, the two experimental ones included. */
export const AGGREGATION_WORDS: ReadonlySet<string> = new Set([...AGGREGATORS, "limitk", "limit_ratio"]);

const MODIFIER_WORDS: ReadonlySet<string> = new Set([
  "offset",
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "bool",
]);

const OPERATORS: ReadonlySet<string> = new Set(
  "+ - * / % ^ == != <= < >= > =~ !~ @ and or unless atan2".split(" "),
);

/**
 * The type of a token: `identifier`, `metric-identifier` (an identifier with a colon), `number`, `duration`, `string`,
 * `eof`, `error` (the text is the message), or the sign or keyword itself.
 */
export type TokenType = string;

/** A piece of the text, from `start` to `end` (exclusive). */
export interface Token {
  readonly type: TokenType;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** The token in the words of Prometheus' messages: `identifier "foo"`, `<op:+>`, `end of input`. */
export function describeToken(token: Token): string {
  const { type, text } = token;
  if (type === "eof") return "end of input";
  if (type === "identifier") return `identifier ${quote(text)}`;
  if (type === "metric-identifier") return `metric identifier ${quote(text)}`;
  if (MODIFIER_WORDS.has(type)) return `<${text}>`;
  if (OPERATORS.has(type)) return `<op:${text}>`;
  if (AGGREGATION_WORDS.has(type)) return `<aggr:${text}>`;
  const shown = text.length > 10 ? `${quote(text.slice(0, 10))}...` : quote(text);
  if (type === "number" || type === "duration" || type === "string") return `${type} ${shown}`;
  return shown;
}
