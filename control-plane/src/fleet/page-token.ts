/** Where a listing goes on: opaque to the caller, checked when it comes back. */
import type { z } from "zod";
import { OpsError } from "../kernel/errors.js";

const SIZE_DEFAULT = 100;
const SIZE_MAX = 1_000;
const LENGTH_MAX = 1_024;

/** Rows wanted; 0 means 100. Throws INVALID_ARGUMENT above 1,000. */
export function pageSize(size: number): number {
  if (size > SIZE_MAX) throw new OpsError("INVALID_ARGUMENT", `page.size is ${size}, at most ${SIZE_MAX}`);
  return size === 0 ? SIZE_DEFAULT : size;
}

export function formatPageToken(place: object): string {
  return Buffer.from(JSON.stringify(place)).toString("base64url");
}

/** The place, or undefined for the first page. Throws INVALID_ARGUMENT for a token that was not given out here. */
export function parsePageToken<T>(token: string, shape: z.ZodType<T>): T | undefined {
  if (token === "") return undefined;
  try {
    if (token.length > LENGTH_MAX) throw new RangeError("too long");
    return shape.parse(JSON.parse(Buffer.from(token, "base64url").toString("utf8")));
  } catch {
    throw new OpsError("INVALID_ARGUMENT", "page.token is not one that this listing gave");
  }
}
