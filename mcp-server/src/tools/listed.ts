/** Answers that are rows: a page within its budget, only the fields that were asked for, or only how many of each kind. */
import { z } from "zod";
import type { Page, PageAsk } from "../control-plane/fleet.js";
import { OpsError } from "../errors.js";
import { count, more, table } from "./answer.js";
import { ROWS_SHARE } from "./budget.js";
import { noSuch } from "./known-node.js";
import { pageInput, readCursor, takeRows } from "./page.js";

/** For a tool's input. */
export const listInput = (rows: number) => ({
  fields: z.array(z.string().max(64)).max(20).optional().describe("only these"),
  count_by: z.string().max(64).optional().describe("counts per value (labels.env) in place of rows"),
  ...pageInput(rows),
});

/** For a tool's output, beside its rows. */
export const listOutput = {
  counts: z.record(z.string(), z.number()).optional(),
  next_cursor: z.string().optional(),
};

export interface ListAsk {
  readonly fields?: readonly string[] | undefined;
  readonly count_by?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly max_tokens: number;
}

export interface ListSpec<T extends object> {
  /** One row, in a word; its plural ends with `s`. */
  readonly noun: string;
  /** The shape of a row. */
  readonly row: z.ZodObject;
  /** What stands in the text when no fields were named. */
  readonly columns: Readonly<Record<string, (row: T) => string | number | undefined>>;
  readonly page: (ask: PageAsk) => Promise<Page<T>>;
}

export interface Listed<T> {
  readonly rows: Partial<T>[];
  /** Members of the answer beside the rows. */
  readonly rest: { readonly counts?: Record<string, number>; readonly next_cursor?: string };
  /** How many, in our own words. */
  readonly summary: string;
  readonly data: string;
}

/** Throws INVALID_ARGUMENT for fields that there are not, with the nearest that there is. */
export async function listed<T extends object>(spec: ListSpec<T>, ask: ListAsk): Promise<Listed<T>> {
  const known = Object.keys(spec.row.shape);
  for (const field of ask.fields ?? []) mustKnow(field, known);
  if (ask.count_by !== undefined) return counted(spec, ask.count_by, known);
  const cursor = readCursor(ask.cursor, ask.limit);
  const page = await spec.page({ size: cursor.size, token: cursor.token });
  const { fields } = ask;
  const chosen = fields === undefined ? page.rows : page.rows.map((row) => picked(row, fields));
  const { rows, nextCursor } = takeRows<Partial<T>>(
    chosen,
    cursor,
    page.nextToken,
    ask.max_tokens * ROWS_SHARE,
  );
  const whole = page.rows.slice(cursor.skip, cursor.skip + rows.length);
  return {
    rows,
    rest: nextCursor === undefined ? {} : { next_cursor: nextCursor },
    summary: `${count(rows.length, spec.noun)}.${more(nextCursor)}`,
    data: fields === undefined ? table(whole, spec.columns) : table(rows, columnsOf(fields)),
  };
}

const PAGE = 1_000;
const PAGES_MAX = 20;
/** Values told apart; the rest are one. */
const COUNTS_MAX = 50;

async function counted<T extends object>(
  spec: ListSpec<T>,
  by: string,
  known: readonly string[],
): Promise<Listed<T>> {
  mustKnow(by.split(".")[0] ?? "", known);
  const counts = new Map<string, number>();
  let token = "";
  let seen = 0;
  for (let i = 0; i < PAGES_MAX; i++) {
    const page = await spec.page({ size: PAGE, token });
    for (const row of page.rows) {
      const value = valueAt(row, by);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    seen += page.rows.length;
    token = page.nextToken;
    if (token === "") break;
  }
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const others = ranked.slice(COUNTS_MAX).reduce((sum, [, n]) => sum + n, 0);
  const told = [...ranked.slice(0, COUNTS_MAX), ...(others === 0 ? [] : [["(others)", others] as const])];
  return {
    rows: [],
    rest: { counts: Object.fromEntries(told) },
    summary: `${count(seen, spec.noun)}${token === "" ? "" : " and more"}, counted by ${by}: ${ranked.length} values.`,
    data: table(told, { [by]: ([value]) => value, count: ([, n]) => n }),
  };
}

function mustKnow(field: string, known: readonly string[]): void {
  if (known.includes(field)) return;
  throw new OpsError("INVALID_ARGUMENT", noSuch("field", field, known, "the tool's output schema"));
}

function picked<T extends object>(row: T, fields: readonly string[]): Partial<T> {
  const kept: Partial<T> = { ...row };
  for (const name of Object.keys(kept) as (keyof T & string)[]) {
    if (!fields.includes(name)) delete kept[name];
  }
  return kept;
}

function columnsOf<T extends object>(fields: readonly string[]) {
  return Object.fromEntries(fields.map((field) => [field, (row: T) => valueAt(row, field)]));
}

/** What stands at a path such as `labels.env`, as text; `-` for nothing. */
function valueAt(row: object, path: string): string {
  let value: unknown = row;
  // Names of labels may hold dots: what is left is tried whole.
  const [head = "", ...rest] = path.split(".");
  for (const step of rest.length === 0 ? [head] : [head, rest.join(".")]) {
    value =
      typeof value === "object" && value !== null && Object.hasOwn(value, step)
        ? Object.entries(value).find(([name]) => name === step)?.[1]
        : undefined;
  }
  if (value === undefined || value === null) return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
