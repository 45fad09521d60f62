/** SQL text made fit to be shown: what a query is about, without the values in it, which may be anybody's secrets. */

const literals =
  /\$(\w*)\$[\s\S]*?(?:\$\1\$|$)|[eE]?'(?:[^'\\]|''|\\[\s\S])*(?:'|$)|(?<![\w$."])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** The text with every string and number as `?`, comments left out, and white space as single spaces. */
export function withoutLiterals(sql: string): string {
  const plain = sql.replace(literals, "?");
  return plain
    .replace(/\/\*[\s\S]*?(?:\*\/|$)|--[^\n]*/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
