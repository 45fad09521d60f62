import type { Matcher, MatchOperator } from "../kernel/labels.js";
import { METRIC_NAME } from "../kernel/labels.js";
import { PromqlError } from "./errors.js";
import { compileMatcher } from "./match.js";
import { isInvalidText, quote, unquote } from "./quote.js";
import type { TokenStream } from "./token-stream.js";
import { KEYWORDS, type Token } from "./tokens.js";

const MATCH_OPERATORS: ReadonlySet<string> = new Set(["=", "!=", "=~", "!~"]);

/** The matchers between braces, the opening one being next. */
export function parseMatchers(tokens: TokenStream): Matcher[] {
  const matchers: Matcher[] = [];
  tokens.next();
  while (tokens.take("}") === undefined) {
    matchers.push(parseMatcher(tokens));
    if (tokens.take(",") !== undefined) continue;
    if (!tokens.at("}")) throw tokens.unexpected("label matching", '"," or "}"');
  }
  return matchers;
}

function parseMatcher(tokens: TokenStream): Matcher {
  if (!tokens.at("identifier") && !tokens.at("string")) {
    throw tokens.unexpected("label matching", 'identifier or "}"');
  }
  const label = tokens.next();
  const name = label.type === "string" ? unquote(label.text) : label.text;
  const op = tokens.peek().type;
  if (!MATCH_OPERATORS.has(op)) {
    // A quoted string alone is a metric name: {"http.requests", job="a"}.
    if (label.type === "string") return { name: METRIC_NAME, op: "=", value: name };
    throw tokens.unexpected("label matching", "label matching operator");
  }
  tokens.next();
  if (!tokens.at("string")) throw tokens.unexpected("label matching", "string");
  const matcher: Matcher = { name, op: op as MatchOperator, value: unquote(tokens.next().text) };
  try {
    compileMatcher(matcher);
  } catch (error) {
    if (error instanceof PromqlError) throw tokens.fault(label, error.message);
    throw error;
  }
  return matcher;
}

/** The label names of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`, in parentheses. */
export function parseGroupingLabels(tokens: TokenStream): string[] {
  if (tokens.take("(") === undefined) throw tokens.unexpected("grouping opts", '"("');
  const labels: string[] = [];
  if (tokens.take(")") !== undefined) return labels;
  for (;;) {
    labels.push(parseGroupingLabel(tokens));
    if (tokens.take(",") !== undefined) {
      if (tokens.take(")") !== undefined) return labels;
      continue;
    }
    if (tokens.take(")") !== undefined) return labels;
    throw tokens.unexpected("grouping opts", '"," or ")"');
  }
}

function parseGroupingLabel(tokens: TokenStream): string {
  const token: Token = tokens.peek();
  const isName =
    token.type === "identifier" || token.type === "metric-identifier" || KEYWORDS.has(token.type);
  if (!isName && token.type !== "string") throw tokens.unexpected("grouping opts", "label");
  tokens.next();
  const name = token.type === "string" ? unquote(token.text) : token.text;
  if (name === "" || isInvalidText(name)) {
    throw tokens.fault(token, `invalid label name for grouping: ${quote(name)}`);
  }
  return name;
}
