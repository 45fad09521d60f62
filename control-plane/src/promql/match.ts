import type { Labels, Matcher } from "../kernel/labels.js";
import { PromqlError } from "./errors.js";
import { labelValue } from "./label-sets.js";
import { type CompiledRegexp, compileRegexp } from "./regexp.js";
import { RegexpError } from "./regexp-syntax.js";

/** Whether a label's value (empty for an absent label) fulfils a condition. */
export type ValuePredicate = (value: string) => boolean;

/** Compiled patterns by text, so that a pattern asked again and again is compiled once; emptied when full. */
const COMPILED_MAX = 512;
const compiled = new Map<string, CompiledRegexp>();

/**
 * The pattern, compiled, anchored at both ends: RE2's syntax, in which a dot takes line breaks too. Throws
 * {@link PromqlError} of kind "parse" with Go's message for a pattern that is none or that needs lookaround or backreferences.
 */
export function compilePattern(pattern: string): CompiledRegexp {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  try {
    const regexp = compileRegexp(pattern);
    if (compiled.size >= COMPILED_MAX) compiled.clear();
    compiled.set(pattern, regexp);
    return regexp;
  } catch (error) {
    if (error instanceof RegexpError) throw new PromqlError("parse", error.message);
    throw error;
  }
}

/** The condition of one matcher on the value of its label. Throws as {@link compilePattern} does. */
export function compileMatcher(matcher: Matcher): ValuePredicate {
  const { op, value } = matcher;
  switch (op) {
    case "=":
      return (text) => text === value;
    case "!=":
      return (text) => text !== value;
    case "=~":
      return compilePattern(value).test;
    case "!~": {
      const { test } = compilePattern(value);
      return (text) => !test(text);
    }
  }
}

/** Whether a label set fulfils all matchers. Throws as {@link compilePattern} does. */
export function compileMatchers(matchers: readonly Matcher[]): (labels: Labels) => boolean {
  const conditions = matchers.map((matcher) => ({ name: matcher.name, holds: compileMatcher(matcher) }));
  return (labels) => conditions.every(({ name, holds }) => holds(labelValue(labels, name)));
}
