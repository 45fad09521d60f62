/**
 * SQL as it is read: a tagged template in which values become parameters and never text.
 */

/** A statement and its parameters, as `pg` takes them. */
export interface Sql {
  readonly text: string;
  readonly values: readonly unknown[];
  /** Each connection parses and plans it once, under this name. */
  readonly name?: string;
}

const names = new Map<string, string>();
/** Texts that are kept prepared; more would mean that one of them is made of what is asked. */
const NAMES_MAX = 200;

/** A statement that is run often, always with the same text: it is parsed and planned once for each connection. */
export function prepared(statement: Sql): Sql {
  let name = names.get(statement.text);
  if (name === undefined) {
    if (names.size >= NAMES_MAX) return statement;
    name = `s${names.size + 1}`;
    names.set(statement.text, name);
  }
  return { ...statement, name };
}

const isSql = (value: unknown): value is Sql =>
  typeof value === "object" && value !== null && (value as { brand?: unknown }).brand === BRAND;
const BRAND = Symbol("sql");

/**
 * `sql\`select * from node where node_id = ${id}\`` → text with $1 and the value beside it.
 * A value that is itself a piece made by this tag is spliced in, with its parameters renumbered.
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly unknown[]): Sql {
  let text = strings[0] as string;
  const values: unknown[] = [];
  parts.forEach((part, index) => {
    if (isSql(part)) {
      const shift = values.length;
      text += part.text.replace(/\$(\d+)/g, (_, n: string) => `$${Number(n) + shift}`);
      values.push(...part.values);
    } else {
      values.push(part);
      text += `$${values.length}`;
    }
    text += strings[index + 1] as string;
  });
  const statement = { text, values, brand: BRAND };
  return statement;
}
