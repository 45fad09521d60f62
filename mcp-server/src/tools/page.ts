/**
 * Pages of an answer. The control plane pages by rows; an answer here is also bounded by what it costs to read, so a
 * cursor is the control plane's page and how many of its rows were already given.
 */
import { z } from "zod";
import { OpsError } from "../errors.js";
import { rowsWithin, TOKENS_DEFAULT, TOKENS_MAX, TOKENS_MIN } from "./budget.js";

export interface Cursor {
  /** The control plane's token of the page; empty for the first. */
  readonly token: string;
  /** Rows of that page already given. */
  readonly skip: number;
  /** Rows in a page. The first call sets it: a page of another size has other rows. */
  readonly size: number;
}

const cursorSchema = z.tuple([
  z.string().max(2_048),
  z.number().int().min(0).max(1_000_000),
  z.number().int().min(1).max(1_000),
]);

/** For a tool's input: how much its answer may cost its reader. */
export const budgetInput = {
  max_tokens: z.int().min(TOKENS_MIN).max(TOKENS_MAX).default(TOKENS_DEFAULT),
};

/** For a tool's input: how many rows, and where to go on. */
export const pageInput = (rows: number) => ({
  limit: z.int().min(1).max(200).default(rows),
  cursor: z.string().max(4_096).optional().describe("next_cursor of the answer before"),
  ...budgetInput,
});

/** Where to begin. A cursor comes back from the client and may be anything: throws INVALID_ARGUMENT for one that is not ours. */
export function readCursor(text: string | undefined, limit: number): Cursor {
  if (text === undefined || text === "") return { token: "", skip: 0, size: limit };
  try {
    const [token, skip, size] = cursorSchema.parse(
      JSON.parse(Buffer.from(text, "base64url").toString("utf8")),
    );
    return { token, skip, size };
  } catch {
    throw new OpsError(
      "INVALID_ARGUMENT",
      "cursor: not one that this tool gave; leave it out to begin at the first page",
    );
  }
}

export function writeCursor({ token, skip, size }: Cursor): string {
  return Buffer.from(JSON.stringify([token, skip, size])).toString("base64url");
}

/**
 * The rows to give of a page, at least one if there is any, and the cursor of the rest.
 * @param rows all rows of the page at `cursor`
 * @param nextToken the control plane's token for the page after; empty when there is none
 * @param tokens what the rows may cost
 */
export function takeRows<T>(
  rows: readonly T[],
  cursor: Cursor,
  nextToken: string,
  tokens: number,
): { readonly rows: T[]; readonly nextCursor: string | undefined } {
  const kept = rowsWithin(rows.slice(cursor.skip, cursor.skip + cursor.size), tokens);
  const given = cursor.skip + kept.length;
  if (given < rows.length) return { rows: kept, nextCursor: writeCursor({ ...cursor, skip: given }) };
  if (nextToken === "") return { rows: kept, nextCursor: undefined };
  return { rows: kept, nextCursor: writeCursor({ token: nextToken, skip: 0, size: cursor.size }) };
}
